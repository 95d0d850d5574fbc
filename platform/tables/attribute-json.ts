/** Items in DynamoDB's JSON, made straight from their values: by way of the SDK's objects it takes ten times as long. */
/**
 * An attribute value as the service's API has it: `"a"` is `{"S":"a"}`. Undefined members are left out, as by the SDK's
 * `removeUndefinedValues`.
 * @throws TypeError for what no attribute can hold, or no item of ours does (a set, binary)
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
 */
export function attributeJson(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `{"S":${JSON.stringify(value)}}`;
    case "number":
      if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be stored as a number`);
      return `{"N":"${value}"}`;
    case "boolean":
      return `{"BOOL":${value}}`;
    case "object":
      if (value === null) return '{"NULL":true}';
      if (Array.isArray(value)) return `{"L":[${value.map(attributeJson).join(",")}]}`;
      if (Object.getPrototypeOf(value) === Object.prototype) return `{"M":${membersJson(value)}}`;
  }
  throw new TypeError(`a value of type ${typeof value} cannot be stored`);
}

/** The members of an item, or of a map in one. */
export function membersJson(members: object): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) parts.push(`${JSON.stringify(name)}:${attributeJson(value)}`);
  }
  return `{${parts.join(",")}}`;
}
