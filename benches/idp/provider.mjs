// An identity provider that we did not write (oidc-provider, certified by the OpenID Foundation),
// whose keys can be replaced while it runs. It gives access tokens by client credentials: signed
// ones (RFC 9068) for the resource `urn:api`, opaque ones for `urn:opaque`.

import {generateKeyPairSync, randomUUID} from 'node:crypto';
import {createServer} from 'node:http';

const KINDS = {
  ES256: () => generateKeyPairSync('ec', {namedCurve: 'P-256'}),
  RS256: () => generateKeyPairSync('rsa', {modulusLength: 2048}),
  PS256: () => generateKeyPairSync('rsa', {modulusLength: 2048}),
  ES384: () => generateKeyPairSync('ec', {namedCurve: 'P-384'}),
  ES512: () => generateKeyPairSync('ec', {namedCurve: 'P-521'}),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

export const ALGORITHMS = Object.keys(KINDS);

export function key(alg) {
  const jwk = KINDS[alg]().privateKey.export({format: 'jwk'});
  return {...jwk, alg, use: 'sig', kid: `${alg}-${randomUUID()}`};
}

// Keys that sign stand first among those of their algorithm.
export async function start(Provider, keys) {
  const server = createServer((request, response) => current(request, response));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let alg = 'ES256';
  let current;
  const rotate = (jwks) => {
    current = provider(Provider, issuer, jwks, () => alg).callback();
  };
  rotate(keys);
  return {issuer, rotate, signWith: (other) => { alg = other; }, stop: () => server.close()};
}

function provider(Provider, issuer, keys, alg) {
  return new Provider(issuer, {
    jwks: {keys},
    clients: [
      {
        client_id: 'ana',
        client_secret: 'a secret of a client, for tests alone',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'],
    },
    scopes: ['reads'],
    features: {
      devInteractions: {enabled: false},
      clientCredentials: {enabled: true},
      introspection: {enabled: true},
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'reads',
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: resource === 'urn:opaque' ? 'opaque' : 'jwt',
          jwt: {sign: {alg: alg()}},
        }),
      },
    },
  });
}

export async function token(issuer, resource) {
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from('ana:a+secret+of+a+client%2C+for+tests+alone').toString('base64')}`,
    },
    body: new URLSearchParams({grant_type: 'client_credentials', resource, scope: 'reads'}),
  });
  const body = await answer.json();
  if (!body.access_token) throw new Error(JSON.stringify(body));
  return body.access_token;
}
