// The certified OpenID Connect provider of npm, with one client and its own plain login pages: any user name
// and password is let in. Usage: node server.mjs PORT REDIRECT_URI
import Provider from 'oidc-provider';

const [port, redirectUri] = process.argv.slice(2);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'isthmus', client_secret: 'a-secret-of-tests', redirect_uris: [redirectUri] }],
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
