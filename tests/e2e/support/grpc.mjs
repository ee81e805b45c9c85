// A gRPC client of the gateway service in a second language: @grpc/grpc-js on the .proto files as they are.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { ROOT } from './programs.mjs';
import { Inbox } from './wait.mjs';

const folder = join(ROOT, 'proto/notifications/v1');
let service;
function load() {
  service ??= grpc.loadPackageDefinition(protoLoader.loadSync(
    readdirSync(folder).filter((name) => name.endsWith('.proto')).map((name) => join(folder, name)),
    { keepCase: true, longs: String, enums: String, oneofs: true, defaults: true, includeDirs: [join(ROOT, 'proto')] },
  )).notifications.v1.NotificationsGateway;
  return service;
}

export const status = grpc.status;

export class GrpcClient {
  #streams = [];

  constructor(address) {
    this.stub = new (load())(address, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': 9 * 1024 * 1024,
      'grpc.max_send_message_length': 9 * 1024 * 1024,
      'grpc.use_local_subchannel_pool': 1,  // a connection of its own: clients must not slow each other down
    });
  }

  // The PublishResponse; rejects with {code, details}.
  publish(request, { deadline = 10000 } = {}) {
    return new Promise((resolve, reject) => {
      this.stub.Publish(request, { deadline: Date.now() + deadline }, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }

  // Opens a stream and waits until it is live.
  async stream(...rooms) {
    const stream = new GrpcStream(this.stub.Stream({ rooms }));
    this.#streams.push(stream);
    await stream.responses.waitFor('the stream opens', (items) => items.length > 0 || stream.error);
    if (stream.error) throw stream.error;
    if (stream.responses.items[0].kind !== 'opened') throw new Error(`first came ${stream.responses.items[0].kind}`);
    return stream;
  }

  close() {
    for (const stream of this.#streams) stream.cancel();
    this.stub.close();
  }
}

export class GrpcStream {
  responses = new Inbox();  // everything
  inbox = new Inbox();      // envelopes

  constructor(call) {
    this.call = call;
    call.on('data', (response) => {
      if (response.kind === 'envelope') this.inbox.push(response.envelope);
      this.responses.push(response);
    });
    // {code, details} when the stream is over.
    this.ended = new Promise((resolve) => call.on('error', (error) => {
      this.error = error;
      this.responses.push({ kind: 'error', error });
      resolve(error);
    }));
    call.on('end', () => {});
  }

  cancel() { this.call.cancel(); }
}

// A google.protobuf.Value of plain data.
export function toValue(data) {
  if (data === null) return { nullValue: 'NULL_VALUE' };
  if (typeof data === 'number') return { numberValue: data };
  if (typeof data === 'string') return { stringValue: data };
  if (typeof data === 'boolean') return { boolValue: data };
  if (Array.isArray(data)) return { listValue: { values: data.map(toValue) } };
  return { structValue: { fields: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, toValue(value)])) } };
}
