// An independent OAuth server on loopback, for the tests. It is told what to do by one JSON document in OIDC_PROVIDER_CONFIG:
//   clients             [{client_id, client_secret, token_endpoint_auth_method, and for assertions jwks,
//                       token_endpoint_auth_signing_alg; for mutual TLS tls_client_auth_subject_dn, or certificate as PEM}]
//   lifetimeSeconds     how long access tokens live
//   resourceIndicators  true: `resource` (RFC 8707) is understood and becomes the audience; false: it is ignored
//   scopes              the scopes there are
//   login               true: people log in for every client, by browser and by device, and get refresh tokens
//   rotate              true: a refresh token works once
//   dpop                true: every token is bound to a key, with a nonce in each proof at the token and the revocation endpoint
//                       (RFC 9449); only a proof with the token's key revokes it
//   registration        true: anybody can register a client (RFC 7591)
//   requirePushed       true: authorization requests are pushed (RFC 9126)
//   tls                 {cert, key} as PEM; without it, plain HTTP
//   clientAuthority     PEM: a second port asks for client certificates, and its discovery document names it as alias (RFC 8705
//                       section 5); who shows one signed by this authority is authorized, all others are let in too
// It prints one JSON line when it is ready, one for every token that it grants or refuses, and one for every token that it revokes
// or does not.
// POST /testkit/consent?client_id=ID answers with a refresh token, as if a person had consented.
import { X509Certificate } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { Provider, errors } from 'oidc-provider';
import validateDpop, { checkDpopReplay } from 'oidc-provider/lib/helpers/validate_dpop.js';

const config = JSON.parse(process.env.OIDC_PROVIDER_CONFIG);
const say = (document) => process.stdout.write(`${JSON.stringify(document)}\n`);

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
// A client of `self_signed_tls_client_auth` is known by its certificate, which oidc-provider takes as the x5c of a key.
function known({ certificate, ...client }) {
  if (!certificate) return client;
  const parsed = new X509Certificate(certificate);
  const key = { ...parsed.publicKey.export({ format: 'jwk' }), x5c: [parsed.raw.toString('base64')] };
  return { ...client, jwks: { keys: [key] } };
}
const clients = config.clients.map((client) => ({
  ...known(client),
  ...(config.dpop ? { dpop_bound_access_tokens: true } : {}),
  ...(config.login
    ? {
        grant_types: ['client_credentials', 'authorization_code', 'refresh_token', DEVICE],
        // A native client may be sent back to any port of the loopback (RFC 8252 section 7.3).
        application_type: 'native',
        redirect_uris: ['http://127.0.0.1/callback'],
        response_types: ['code'],
        scope: ['openid', 'offline_access', ...config.scopes].join(' '),
      }
    : {
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        scope: config.scopes.join(' ') || undefined,
      }),
}));

// The issuer holds the port, so the port comes first.
async function listening(server) {
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return `${config.tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
}
const server = config.tls ? https.createServer(config.tls) : http.createServer();
const issuer = await listening(server);
const asking = config.clientAuthority
  ? https.createServer({ ...config.tls, ca: config.clientAuthority, requestCert: true, rejectUnauthorized: false })
  : undefined;
const mutual = asking && (await listening(asking));
const shown = (ctx) => (ctx.socket.getPeerX509Certificate ? ctx.socket.getPeerX509Certificate() : undefined);

// The package ignores proofs at the revocation endpoint, because RFC 9449 leaves them open there. Who requires them checks them
// with the package's own function.
async function mayRevoke(ctx, client, token) {
  if (token.clientId !== client.clientId) throw new errors.InvalidRequest('the token is of another client');
  if (config.dpop) {
    const proof = await validateDpop(provider, ctx);
    if (!proof) throw new errors.InvalidDpopProof('a proof is required');
    await checkDpopReplay(provider, ctx, proof, client.clientId, errors.InvalidDpopProof);
    if (token.jkt && token.jkt !== proof.thumbprint) throw new errors.InvalidDpopProof('the proof is by another key');
  }
  say({ event: 'revoked', client: client.clientId, kind: token.kind });
  return true;
}

const provider = new Provider(issuer, {
  clients,
  scopes: config.login ? ['openid', 'offline_access', ...config.scopes] : config.scopes,
  clientAuthMethods: [
    'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
    ...(asking ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
  ],
  discovery: asking
    ? { mtls_endpoint_aliases: { token_endpoint: `${mutual}/token`, revocation_endpoint: `${mutual}/token/revocation` } }
    : {},
  enabledJWA: { clientAuthSigningAlgValues: ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'] },
  ttl: { ClientCredentials: config.lifetimeSeconds, AccessToken: config.lifetimeSeconds, DeviceCode: 600 },
  ...(config.login
    ? {
        issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
        rotateRefreshToken: config.rotate,
        findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
        interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
      }
    : {}),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: config.login },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: mayRevoke },
    registration: { enabled: Boolean(config.registration) },
    ...(config.dpop
      ? {
          dPoP: {
            enabled: true,
            nonceSecret: Buffer.alloc(32, 7),
            requireNonce: (ctx) => ['/token', '/token/revocation'].includes(ctx.path),
          },
        }
      : {}),
    ...(config.requirePushed
      ? { pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true } }
      : {}),
    mTLS: {
      enabled: Boolean(asking),
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => shown(ctx)?.toString(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' && shown(ctx).subject.trim() === expected,
    },
    resourceIndicators: {
      enabled: config.resourceIndicators,
      getResourceServerInfo(_ctx, resource) {
        if (!resource.startsWith('https://api.example.com')) throw new errors.InvalidTarget();
        return { audience: resource, scope: config.scopes.join(' '), accessTokenTTL: config.lifetimeSeconds };
      },
    },
  },
});

provider.on('grant.success', (ctx) => say({ event: 'granted', client: ctx.oidc.client.clientId }));
provider.on('grant.error', (_ctx, error) => say({ event: 'refused', error: error.error }));
provider.on('revocation.error', (_ctx, error) => say({ event: 'not_revoked', error: error.error }));
provider.on('server_error', (_ctx, error) => say({ event: 'broken', error: String(error) }));

// One page with two buttons for whatever the person is asked, login or consent.
async function interaction(request, response) {
  const details = await provider.interactionDetails(request, response);
  const { prompt, params, session } = details;
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><title>${prompt.name}</title><h1>${prompt.name}</h1>
      <form method="post"><button id="allow" name="answer" value="allow">Allow</button>
      <button id="deny" name="answer" value="deny">Deny</button></form>`);
    return;
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  let result;
  if (new URLSearchParams(body).get('answer') !== 'allow') {
    result = { error: 'access_denied', error_description: 'the person said no' };
  } else if (prompt.name === 'login') {
    result = { login: { accountId: 'a-person' } };
  } else {
    const grant = details.grantId
      ? await provider.Grant.find(details.grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
    for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(' '));
    }
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

// A refresh token of a consent that nobody was asked for.
async function consent(request, response) {
  const clientId = new URL(request.url, issuer).searchParams.get('client_id');
  const client = await provider.Client.find(clientId);
  const grant = new provider.Grant({ accountId: 'a-person', clientId });
  grant.addOIDCScope(client.scope);
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId: 'a-person', client, grantId, gty: 'authorization_code', rotations: 0, scope: client.scope,
  });
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ refresh_token: await token.save() }));
}

const callback = provider.callback();
const own = { '/interaction/': interaction, '/testkit/consent': consent };
server.on('request', (request, response) => {
  const found = Object.keys(own).find((path) => request.url.startsWith(path));
  if (!found) return callback(request, response);
  return own[found](request, response).catch((error) => {
    say({ event: 'broken', error: String(error) });
    response.statusCode = 500;
    response.end(String(error));
  });
});
asking?.on('request', callback);
say({ issuer, token_endpoint: `${issuer}/token`, introspection_endpoint: `${issuer}/token/introspection` });
