// Portcullis behind a real identity provider, whose keys rotate during load. See README.md.

import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {Agent, createServer, request} from 'node:http';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {ALGORITHMS, key, start, token} from './provider.mjs';

const SECONDS = Number(process.env.SECONDS ?? 12);
const BINARY = process.argv[2] ?? 'target/release/portcullis';
const CONNECTIONS = 8;

let Provider;
try {
  ({Provider} = await import('oidc-provider'));
} catch (error) {
  console.log(`skipped: oidc-provider is not installed (${error.code}); run \`npm install\` here`);
  process.exit(0);
}
// What it warns of is meant for production.
console.warn = console.info = () => {};

let keys = ALGORITHMS.map(key);
const idp = await start(Provider, keys);
const upstream = createServer((_, answer) => answer.end('{"id":1}'));
await new Promise((listening) => upstream.listen(0, '127.0.0.1', listening));
const proxy = await portcullis(policy(idp.issuer), `http://127.0.0.1:${upstream.address().port}`);
const agent = new Agent({keepAlive: true, maxSockets: CONNECTIONS});
let failed = 0;

await ready();
await everyAlgorithm();
await refusals();
if (process.argv.includes('--introspection')) await opaque();
await rotateUnderLoad();

agent.destroy();
proxy.child.kill('SIGTERM');
idp.stop();
upstream.close();
rmSync(proxy.folder, {recursive: true});
console.log(failed === 0 ? 'all as expected' : `${failed} NOT as expected`);
process.exit(failed === 0 ? 0 : 1);

async function everyAlgorithm() {
  for (const alg of ALGORITHMS) {
    idp.signWith(alg);
    const bearer = await token(idp.issuer, 'urn:api');
    const header = JSON.parse(Buffer.from(bearer.split('.')[0], 'base64url'));
    expect(`a token with ${header.alg}, typ ${header.typ}`, await get(bearer), 200);
  }
  idp.signWith('ES256');
}

async function refusals() {
  const bearer = await token(idp.issuer, 'urn:api');
  const [head, payload, signature] = bearer.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  const forged = Buffer.from(JSON.stringify({...claims, sub: 'root'})).toString('base64url');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  expect('another subject under the signature', await get(`${head}.${forged}.${signature}`), 401);
  expect('alg none', await get(`${none}.${payload}.`), 401);
  expect('a token for another audience', await get(await token(idp.issuer, 'urn:other')), 401);
  expect('no token', await get(), 401);
}

async function opaque() {
  const bearer = await token(idp.issuer, 'urn:opaque');
  expect(`an opaque token of ${bearer.length} characters`, await get(bearer), 200);
  expect('the same again, remembered', await get(bearer), 200);
  expect('one that is made up', await get(bearer.replace(/./, (c) => (c === 'A' ? 'B' : 'A'))), 401);
}

// Every second another key signs; the one before stays published for two turns, as issuers do it.
async function rotateUnderLoad() {
  const statuses = new Map();
  let bearer = await token(idp.issuer, 'urn:api');
  let rotations = 0;
  let first;
  const end = Date.now() + SECONDS * 1000;
  const turn = setInterval(async () => {
    const own = keys.filter((one) => one.alg === 'ES256');
    keys = [key('ES256'), ...own.slice(0, 2), ...keys.filter((one) => one.alg !== 'ES256')];
    idp.rotate(keys);
    rotations += 1;
    const fresh = await token(idp.issuer, 'urn:api');
    first ??= bearer;
    bearer = fresh;
  }, 2000);
  const begun = process.hrtime.bigint();
  let longest = 0;
  const work = async () => {
    while (Date.now() < end) {
      const from = process.hrtime.bigint();
      const status = await get(bearer);
      longest = Math.max(longest, Number(process.hrtime.bigint() - from) / 1e6);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({length: CONNECTIONS}, work));
  clearInterval(turn);
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const counted = [...statuses].map(([status, count]) => `${count} × ${status}`).join(', ');
  const total = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${rotations} rotations in ${seconds.toFixed(1)} s under load: ${counted}; ` +
    `${Math.round(total / seconds)} requests/s, the longest ${longest.toFixed(1)} ms`);
  expect('requests that were refused during rotation', total - (statuses.get(200) ?? 0), 0);
  expect('the first token, whose key has gone', await eventually(() => get(first), 401), 401);
}

async function eventually(ask, wanted) {
  let got;
  for (let left = 50; left > 0 && got !== wanted; left -= 1) {
    got = await ask();
    if (got !== wanted) await new Promise((later) => setTimeout(later, 100));
  }
  return got;
}

function expect(what, got, wanted) {
  if (got !== wanted) failed += 1;
  console.log(`${got === wanted ? 'ok ' : 'BAD'} ${what}: ${got}`);
}

function get(bearer) {
  const headers = bearer === undefined ? {} : {authorization: `Bearer ${bearer}`};
  return new Promise((resolve, reject) => {
    request({host: '127.0.0.1', port: proxy.port, path: '/customers/1', headers, agent}, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode));
    }).on('error', reject).end();
  });
}

function policy(issuer) {
  const opaque = process.argv.includes('--introspection')
    ? `  introspection:
    - url: ${issuer}/token/introspection
      client: {id: ana, secret: {file: client.secret}}
      audience: ["urn:opaque"]
      claims: {user: client_id, roles: scope}
      prefix: "opaque:"
`
    : '';
  return `policy: 1
identity:
  jwt:
    - issuer: ${issuer}
      audience: ["urn:api"]
      algorithms: [${ALGORITHMS.join(', ')}]
      typ: at+jwt
      jwks: {url: "${issuer}/jwks", refresh: 5s, cool_down: 1s}
      claims: {user: client_id, roles: scope}
      prefix: "jwt:"
${opaque}roles: [{id: reads, grants: [{path: "/**", access: r}]}]
`;
}

async function portcullis(text, to) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-idp-'));
  writeFileSync(join(folder, 'policy.yaml'), text);
  writeFileSync(join(folder, 'client.secret'), 'a secret of a client, for tests alone');
  const child = spawn(BINARY, ['run', '--policy', join(folder, 'policy.yaml'), '--upstream', to,
    '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
  {env: {...process.env, PORTCULLIS_LOG_ACCESS: 'off', PORTCULLIS_WORKERS: '1', NO_COLOR: '1'}, cwd: folder});
  const line = await new Promise((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (piece) => {
      said += piece;
      const found = said.match(/listening on http:\/\/127\.0\.0\.1:(\d+), admin on http:\/\/127\.0\.0\.1:(\d+)/);
      if (found) resolve(found);
    });
    child.on('exit', () => reject(new Error(said)));
    child.on('error', reject);
  });
  child.removeAllListeners('exit');
  return {child, folder, port: Number(line[1]), admin: Number(line[2])};
}

async function ready() {
  const ask = async () => (await fetch(`http://127.0.0.1:${proxy.admin}/readyz`)).status;
  expect('ready when the keys have been fetched', await eventually(ask, 200), 200);
}
