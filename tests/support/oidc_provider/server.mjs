// The certified OpenID Connect provider of npm, with its own plain login pages: any user name and password is
// let in. Its clients are the zone; a portal, whose access tokens live as long as theirs do; one whose end
// after two seconds; and a stranger. Usage: node server.mjs PORT REDIRECT_URI
import Provider from 'oidc-provider';

const [port, redirectUri] = process.argv.slice(2);

const elsewhere = ['portal', 'brief', 'stranger'].map((id) => ({
  client_id: id,
  client_secret: 'a-secret-of-tests',
  redirect_uris: [`https://${id}.example.org/back`],
}));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { client_id: 'isthmus', client_secret: 'a-secret-of-tests', redirect_uris: [redirectUri] },
    ...elsewhere,
  ],
  features: { introspection: { enabled: true }, revocation: { enabled: true } },
  ttl: { AccessToken: (_context, _token, client) => (client.clientId === 'brief' ? 2 : 3600) },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
  cookies: { keys: ['only for tests'] },
  pkce: { required: () => true },
  async findAccount(_context, id) {
    return {
      accountId: id,
      async claims() {
        return {
          sub: id,
          name: `${id[0].toUpperCase()}${id.slice(1)} Test`,
          preferred_username: id,
          email: `${id}@example.org`,
          email_verified: id !== 'mallory',
        };
      },
    };
  },
});

provider.listen(Number(port), '127.0.0.1');
