/** Estimator states in the bucket, gzipped; each under a key of its own, so that two runs never overwrite each other. */
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { DeleteObjectCommand, GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { estimateCosts } from "../constants.ts";

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** The stored state cannot be used: the tables must make up for it. */
export class StateUnusableError extends Error {
  override readonly name = "StateUnusableError";
}

export interface StateStore {
  /** Returns the key under which it was put. */
  put(serverId: string, version: number, state: Uint8Array): Promise<string>;
  /** @throws StateUnusableError when there is no such object or it is not gzip */
  get(key: string): Promise<Uint8Array>;
  remove(key: string): Promise<void>;
}

export function createStateStore(s3: S3Client, bucket: string): StateStore {
  return {
    async put(serverId, version, state) {
      const key = `${estimateCosts.statePrefix}/${encodeURIComponent(serverId)}/${version}-${randomUUID()}`;
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: await compress(state) }));
      return key;
    },
    async get(key) {
      let body: Uint8Array;
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        body = (await Body?.transformToByteArray()) ?? new Uint8Array();
      } catch (cause) {
        if (cause instanceof NoSuchKey) throw new StateUnusableError(`no state at ${key}`, { cause });
        throw cause;
      }
      try {
        return await decompress(body);
      } catch (cause) {
        throw new StateUnusableError(`the state at ${key} is not gzip`, { cause });
      }
    },
    async remove(key) {
      await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
  };
}
