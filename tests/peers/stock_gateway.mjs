// A stock Node gateway: socket.io 4.8 and ioredis, as small as it can be, with the very options and
// rules that browsers have met so far. Suites hold the edge against it, benchmarks compare with it.
//
// Settings (environment): HOST, PORT, SOCKET_IO_PATH, REDIS_URL, NOTIFICATIONS_CHANNEL, PING_INTERVAL,
// PING_TIMEOUT and CONNECT_TIMEOUT (milliseconds), MAX_PAYLOAD (bytes), MAX_ROOMS, QUIET=1.
// Prints {"ready":true,"port":N} when it listens and is subscribed; says on stderr what it refuses.
import { createServer } from 'node:http';
import Redis from 'ioredis';
import { Server } from 'socket.io';
import { z } from 'zod';
import { parseEnvelope } from './envelope.mjs';

const env = process.env;
const http = createServer((_, response) => response.writeHead(404).end());
const io = new Server(http, {
  path: env.SOCKET_IO_PATH ?? '/socket.io',
  transports: ['websocket'],
  cors: { origin: '*' },
  serveClient: false,
  pingInterval: Number(env.PING_INTERVAL ?? 25000),
  pingTimeout: Number(env.PING_TIMEOUT ?? 20000),
  connectTimeout: Number(env.CONNECT_TIMEOUT ?? 45000),
  maxHttpBufferSize: Number(env.MAX_PAYLOAD ?? 1e6),
});

const Room = z.union([
  z.literal('graph'),
  z.literal('threads'),
  z.string().regex(/^thread:[0-9a-z-]{1,64}$/i),
  z.string().regex(/^run:[0-9a-z-]{1,64}$/i),
  z.string().regex(/^node:[0-9a-z-]{1,64}$/i),
]);
const RoomList = z.object({ rooms: z.array(Room).optional(), room: Room.optional() }).strict();
const maxRooms = Number(env.MAX_ROOMS ?? 1000);

io.on('connection', (socket) => {
  // Answers `payload` with the outcome of `apply(rooms)`; without an ack function nobody hears it.
  const answer = (payload, ack, apply) => {
    const reply = typeof ack === 'function' ? ack : () => {};
    const parsed = RoomList.safeParse(payload);
    if (!parsed.success) {
      const issues = parsed.error.issues.map(({ path, message, code }) => ({ path, message, code }));
      return reply({ ok: false, error: 'invalid_payload', issues });
    }
    const { rooms, room } = parsed.data;
    const list = rooms?.length ? rooms : room ? [room] : [];
    const error = apply(list);
    return reply(error ? { ok: false, error } : { ok: true, rooms: list });
  };
  socket.on('subscribe', (payload, ack) => answer(payload, ack, (rooms) => {
    const joined = new Set([...socket.rooms, ...rooms]);
    joined.delete(socket.id);
    if (joined.size > maxRooms) return 'too_many_rooms';
    socket.join(rooms);
  }));
  socket.on('unsubscribe', (payload, ack) => answer(payload, ack, (rooms) => {
    for (const room of rooms) socket.leave(room);
  }));
});

const redis = new Redis(env.REDIS_URL ?? 'redis://127.0.0.1:6379/0');
redis.on('error', (error) => console.error(`redis: ${error.message}`));
redis.on('messageBuffer', (_, bytes) => {
  const { envelope, error } = parseEnvelope(bytes);
  if (error) {
    if (!env.QUIET) console.error(`invalid envelope: ${error}`);
    return;
  }
  for (const room of envelope.rooms) io.to(room).emit(envelope.event, envelope.payload);
});

await redis.subscribe(env.NOTIFICATIONS_CHANNEL ?? 'notifications.v1');
http.listen(Number(env.PORT ?? 3011), env.HOST ?? '0.0.0.0', () => {
  console.log(JSON.stringify({ ready: true, port: http.address().port }));
});
process.on('SIGTERM', () => process.exit(0));
