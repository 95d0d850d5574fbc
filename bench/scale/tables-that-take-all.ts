/** DynamoDB's HTTP as far as the recorder needs it: takes everything and keeps nothing. Prints its address. */
import { createServer } from "node:http";

const server = createServer((request, response) => {
  request.resume().on("end", () => {
    const isBatch = String(request.headers["x-amz-target"]).endsWith("BatchWriteItem");
    response.writeHead(200, { "Content-Type": "application/x-amz-json-1.0" });
    response.end(isBatch ? '{"UnprocessedItems":{}}' : "{}");
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`listening http://localhost:${typeof address === "object" ? address?.port : ""}\n`);
});
