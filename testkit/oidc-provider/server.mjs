// An independent OAuth server on loopback, for the tests. It is told what to do by one JSON document in OIDC_PROVIDER_CONFIG:
//   clients             [{client_id, client_secret, token_endpoint_auth_method, and for assertions jwks,
//                       token_endpoint_auth_signing_alg}]
//   lifetimeSeconds     how long access tokens live
//   resourceIndicators  true: `resource` (RFC 8707) is understood and becomes the audience; false: it is ignored
//   scopes              the scopes there are
//   tls                 {cert, key} as PEM; without it, plain HTTP
// It prints one JSON line when it is ready, and one for every token that it grants or refuses.
import http from 'node:http';
import https from 'node:https';
import { Provider, errors } from 'oidc-provider';

const config = JSON.parse(process.env.OIDC_PROVIDER_CONFIG);
const say = (document) => process.stdout.write(`${JSON.stringify(document)}\n`);

const clients = config.clients.map((client) => ({
  ...client,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: config.scopes.join(' ') || undefined,
}));

// The issuer holds the port, so the port comes first.
const server = config.tls ? https.createServer(config.tls) : http.createServer();
await new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(0, '127.0.0.1', resolve);
});
const issuer = `${config.tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients,
  scopes: config.scopes,
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'] },
  ttl: { ClientCredentials: config.lifetimeSeconds },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
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
provider.on('server_error', (_ctx, error) => say({ event: 'broken', error: String(error) }));

server.on('request', provider.callback());
say({ issuer, token_endpoint: `${issuer}/token`, introspection_endpoint: `${issuer}/token/introspection` });
