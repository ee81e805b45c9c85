// Shows events of chosen rooms as they arrive. Everything here is what any page can do with the stock
// socket.io-client: connect, subscribe with an acknowledgement, listen.
//
// ?rooms=graph,thread:42 chooses rooms; ?path=/socket.io says where the server listens.
'use strict';

const ROWS = 400;        // rows kept in the list
const SEEN = 40;         // rooms offered
const SAMPLES = 1000;    // latencies the percentiles are made of
const SECONDS = 60;      // of the little graph

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const socket = io({ path: query.get('path') || '/socket.io', transports: ['websocket'] });

// --- rooms ----------------------------------------------------------------------------------------

const rooms = new Map();  // room -> {chip, live}
const seen = new Map();   // room -> chip

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function chip(room, sign, title, onClick) {
  const item = element('li');
  const button = element('button', 'chip');
  button.type = 'button';
  button.title = title;
  button.append(element('span', '', room), element('b', '', sign));
  button.addEventListener('click', onClick);
  item.append(button);
  item.button = button;
  return item;
}

function explain(answer) {
  if (answer.error !== 'invalid_payload') return answer.error;
  return 'That is not a room: graph, threads, thread:<id>, run:<id> or node:<id>, with letters, digits and - as id.';
}

function setLive(room, live) {
  const entry = rooms.get(room);
  if (!entry) return;
  entry.live = live;
  entry.item.button.dataset.live = live;
}

// Asks for rooms; each turns green when the server has acknowledged it.
function subscribe(list) {
  if (!list.length || !socket.connected) return;
  socket.emit('subscribe', { rooms: list }, (answer) => {
    if (answer.ok) return list.forEach((room) => setLive(room, true));
    list.forEach(remove);
    complain(explain(answer));
  });
}

function join(room) {
  if (rooms.has(room)) return;
  complain('');
  const item = chip(room, '×', 'leave', () => leave(room));
  rooms.set(room, { item, live: false });
  item.button.dataset.room = room;
  setLive(room, false);
  $('rooms').append(item);
  seen.get(room)?.remove();
  seen.delete(room);
  subscribe([room]);
}

function remove(room) {
  rooms.get(room)?.item.remove();
  rooms.delete(room);
}

function leave(room) {
  if (socket.connected) socket.emit('unsubscribe', { room }, () => {});
  remove(room);
}

function complain(text) {
  $('problem').textContent = text;
  $('problem').hidden = !text;
}

// Offers the rooms whose ids stand in a payload.
function offerRooms(payload) {
  const ids = {
    node: [payload.nodeId],
    thread: [payload.threadId, payload.thread?.id],
    run: [payload.runId, payload.run?.id],
  };
  for (const [kind, list] of Object.entries(ids)) {
    for (const id of list) {
      const room = `${kind}:${id}`;
      if (typeof id !== 'string' || !id || rooms.has(room) || seen.has(room)) continue;
      const item = chip(room, '+', 'join', () => join(room));
      seen.set(room, item);
      $('seen').prepend(item);
      if (seen.size > SEEN) {
        const [oldest, old] = seen.entries().next().value;
        old.remove();
        seen.delete(oldest);
      }
    }
  }
}

// --- connection -----------------------------------------------------------------------------------

function showState(state, text = state) {
  $('state').dataset.state = state;
  $('state').textContent = text;
}

socket.on('connect', () => {
  showState('connected');
  subscribe([...rooms.keys()]);
});
socket.on('disconnect', (reason) => {
  showState('disconnected', `disconnected: ${reason}`);
  for (const room of rooms.keys()) setLive(room, false);
});
socket.on('connect_error', (error) => showState('disconnected', error.message));
socket.io.on('reconnect_attempt', (n) => showState('connecting', `connecting (attempt ${n})`));

// --- events ---------------------------------------------------------------------------------------

let paused = false;
let held = [];
let total = 0;
const kinds = new Map();    // event -> {count, label}
const latencies = [];
const perSecond = new Array(SECONDS).fill(0);

// A steady colour for each event name, neighbours in a family close to each other.
function hue(event) {
  const family = { node: 265, thread: 205, message: 330, run: 150, tool: 32 }[event.split('_')[0]];
  let hash = 0;
  for (const letter of event) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return family === undefined ? hash % 360 : family + (hash % 25) - 12;
}

// Milliseconds since the event happened, if its payload says when that was: the time at which a
// thread was created says nothing about its update.
function latencyOf(name, payload) {
  const created = { thread_created: 'thread', message_created: 'message', run_event_appended: 'event' }[name];
  const stamp = payload?.ts ?? payload?.updatedAt ?? payload?.run?.updatedAt ?? payload?.[created]?.createdAt ??
    payload?.[created]?.ts;
  const ms = Date.now() - Date.parse(stamp);
  return ms > -1000 && ms < 60000 ? Math.max(0, ms) : undefined;
}

const reminders = (count) => `${count} ${count === 1 ? 'reminder' : 'reminders'}`;

// One line that says what the event is about.
function gist(payload) {
  if (payload === null || typeof payload !== 'object') return JSON.stringify(payload);
  const { provisionStatus, state, count, thread, message, run, event, data, status, activity, remindersCount } = payload;
  const words = [
    payload.nodeId ?? thread?.alias ?? payload.threadId ?? payload.runId,
    provisionStatus?.state, count !== undefined && reminders(count), activity,
    remindersCount !== undefined && reminders(remindersCount), thread?.summary ?? thread?.status,
    message && `${message.kind}: ${message.text ?? ''}`, run?.status, event?.type ?? event?.kind, data?.trimEnd?.(),
    typeof status === 'string' && status,
  ].filter((word) => typeof word === 'string' && word);
  return words.join(' · ') || JSON.stringify(payload).slice(0, 300) || JSON.stringify(state);
}

function pretty(payload) {
  const block = element('pre');
  const text = JSON.stringify(payload, null, 2) ?? 'undefined';
  let at = 0;
  for (const match of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g)) {
    block.append(text.slice(at, match.index));
    const [whole, string, colon] = match;
    if (string) block.append(element('span', colon ? 'k' : 's', string), colon ?? '');
    else block.append(element('span', /[a-z]$/.test(whole) ? 'w' : 'n', whole));
    at = match.index + whole.length;
  }
  block.append(text.slice(at));
  block.addEventListener('click', (click) => click.stopPropagation());
  return block;
}

function row({ event, payload, at, latency }) {
  const item = element('li', 'fresh');
  item.dataset.event = event;
  item.style.setProperty('--hue', hue(event));
  const time = element('time', '', `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`);
  time.dateTime = at.toISOString();
  item.append(time, element('span', 'kind name', event), element('span', 'gist', gist(payload)),
    element('span', 'latency', latency === undefined ? '' : `${latency} ms`));
  item.addEventListener('click', () => {
    const open = item.querySelector('pre');
    if (open) open.remove();
    else item.append(pretty(payload));
  });
  item.words = `${event} ${item.textContent}`.toLowerCase();
  applyFilter(item);
  return item;
}

function applyFilter(item) {
  item.hidden = !item.words.includes($('filter').value.trim().toLowerCase());
  item.style.display = item.hidden ? 'none' : '';
}

function show(list) {
  const fragment = document.createDocumentFragment();
  for (const one of list.slice(-ROWS)) fragment.prepend(row(one));
  const feed = $('events');
  // A reader who scrolled down keeps the place.
  const before = feed.scrollTop > 0 ? feed.scrollHeight : 0;
  feed.prepend(fragment);
  while (feed.children.length > ROWS) feed.lastChild.remove();
  if (before) feed.scrollTop += feed.scrollHeight - before;
  $('empty').hidden = feed.children.length > 0;
}

let waiting = [];
socket.onAny((event, payload) => {
  const arrived = { event, payload, at: new Date(), latency: latencyOf(event, payload) };
  ++total;
  ++perSecond[SECONDS - 1];
  if (arrived.latency !== undefined) {
    latencies.push(arrived.latency);
    if (latencies.length > SAMPLES) latencies.shift();
  }
  count(event);
  if (payload && typeof payload === 'object') offerRooms(payload);
  if (paused) {
    held.push(arrived);
    if (held.length > ROWS) held.shift();
    return;
  }
  // Rows are made once per frame, however many events come in it. A hidden page has no frames.
  if (waiting.push(arrived) === 1) (document.hidden ? setTimeout : requestAnimationFrame)(flush);
});

function flush() {
  const list = waiting;
  waiting = [];
  show(list);
}

function count(event) {
  let kind = kinds.get(event);
  if (!kind) {
    const item = element('li');
    const label = element('span', 'kind', event);
    label.style.setProperty('--hue', hue(event));
    kind = { count: 0, figure: element('b', '', '0') };
    item.append(label, kind.figure);
    kinds.set(event, kind);
    $('kinds').append(item);
  }
  kind.figure.textContent = String(++kind.count);
}

// --- figures --------------------------------------------------------------------------------------

function percentile(sorted, p) {
  if (!sorted.length) return '–';
  return `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]} ms`;
}

function drawSpark() {
  const canvas = $('spark');
  const pen = canvas.getContext('2d');
  const scale = window.devicePixelRatio || 1;
  canvas.width = 240 * scale;
  canvas.height = 40 * scale;
  pen.scale(scale, scale);
  pen.fillStyle = getComputedStyle(canvas).color;
  const top = Math.max(5, ...perSecond);
  perSecond.forEach((n, i) => {
    const height = n ? Math.max(2, (n / top) * 38) : 1;
    pen.globalAlpha = 0.35 + 0.65 * (i / SECONDS);
    pen.fillRect(i * 4, 40 - height, 3, height);
  });
}

function showFigures() {
  $('total').textContent = total.toLocaleString('en');
  const recent = perSecond.slice(-6, -1).reduce((sum, n) => sum + n, 0) / 5;
  $('rate').textContent = recent.toFixed(1);
  const sorted = [...latencies].sort((a, b) => a - b);
  $('p50').textContent = percentile(sorted, 0.5);
  $('p99').textContent = percentile(sorted, 0.99);
  $('held').textContent = paused && held.length ? `${held.length} held back` : '';
  drawSpark();
}
setInterval(showFigures, 250);
setInterval(() => { perSecond.shift(); perSecond.push(0); }, 1000);

// --- controls -------------------------------------------------------------------------------------

$('add').addEventListener('submit', (submit) => {
  submit.preventDefault();
  const room = $('room').value.trim();
  if (room) join(room);
  $('room').value = '';
});
$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', String(paused));
  $('pause').textContent = paused ? 'Resume' : 'Pause';
  if (!paused) {
    show(held);
    held = [];
  }
  showFigures();
});
$('clear').addEventListener('click', () => {
  $('events').replaceChildren();
  $('kinds').replaceChildren();
  kinds.clear();
  held = [];
  total = 0;
  latencies.length = 0;
  perSecond.fill(0);
  $('empty').hidden = false;
  showFigures();
});
$('filter').addEventListener('input', () => {
  for (const item of $('events').children) applyFilter(item);
});

const dark = matchMedia('(prefers-color-scheme: dark)');
function setTheme(theme) { document.documentElement.dataset.theme = theme; }
setTheme(dark.matches ? 'dark' : 'light');
dark.addEventListener('change', () => setTheme(dark.matches ? 'dark' : 'light'));
$('theme').addEventListener('click', () => {
  setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
});

for (const room of (query.get('rooms') || 'graph,threads').split(',').filter(Boolean)) join(room);
showFigures();
