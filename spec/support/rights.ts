/** The rights that docs/security.md lists, as `ACL SETUSER` takes them behind a user's name and password. */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

const DOC = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');

const listed = (text = ''): string[] => text.trim().split(/\s+/);

/** For a connection with the keyPrefix `app:`. */
export const rights = (): string[] => listed(/^```acl\nACL SETUSER locks on >secret ([^`]*)```/m.exec(DOC)?.[1]);

/** What a Cluster needs besides. */
export const clusterRights = (): string[] => listed(/^```acl-cluster\n([^`]*)```/m.exec(DOC)?.[1]);

/** What ioredis asks for besides, of a server that knows it: an older one refuses a rule that names it. */
export const ioredisRights = async (server: Redis): Promise<string[]> => {
  const [known] = (await server.command('INFO', 'client|setinfo')) as unknown[];
  const [, rule = ''] = /^\| Redis is 7\.2 or later, with ioredis \| add `([^`]*)`/m.exec(DOC) ?? [];
  return known ? listed(rule.replace('\\|', '|')) : [];
};

/** For a connection without a keyPrefix, whose names begin with `app:`. */
export const rightsWithoutPrefix = (): string[] => {
  const [, row = ''] =
    /^\| the connection has no `keyPrefix`, and all names begin with `app:` \| (.*) \|$/m.exec(DOC) ?? [];
  const [keys, , channels] = [...row.matchAll(/`([^`]*)`/g)].map(([, text]) => listed(text));
  if (!keys || !channels) throw new Error('docs/security.md does not say what names without a keyPrefix need');
  return [...rights().filter((rule) => !/^[~&]/.test(rule)), ...keys, ...channels];
};
