/**
 * The rule for commit messages, which CONTRIBUTING states. `tsx build/commits.ts [RANGE]` checks the commits of a range
 * (default: those that origin/main does not have), and CI those of a push or a pull request.
 */
import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';

const TYPES = ['feat', 'fix', 'perf', 'refactor', 'docs', 'test', 'style', 'build', 'ci', 'chore', 'revert'];
const LONGEST = 72;

/** Words that look like a past tense or a participle, and are imperatives all the same. */
const IMPERATIVES = new Set([
  'bring',
  'embed',
  'exceed',
  'feed',
  'need',
  'ping',
  'proceed',
  'seed',
  'shed',
  'speed',
  'string',
]);

/** What is wrong with a message; nothing if all is well. */
export const mistakesIn = (message: string): string[] => {
  const [header = '', blank, ...body] = message.trimEnd().split('\n');
  const [, type = '', subject] = /^([a-z]+)(?:\([a-z0-9-]+\))?!?: (\S.*)$/.exec(header) ?? [];
  const [first = ''] = subject?.split(' ') ?? [];
  return [
    subject === undefined && 'the first line must be "type(scope): subject"',
    subject !== undefined && !TYPES.includes(type) && `the type must be one of ${TYPES.join(', ')}`,
    header.length > LONGEST && `the first line must have at most ${LONGEST} characters, and has ${header.length}`,
    /^[A-Z][a-z]/.test(first) && 'the subject must begin in lower case',
    /\w(?:ed|ing)$/.test(first) &&
      !IMPERATIVES.has(first) &&
      `the subject must be in the imperative: "${first}" is not`,
    header.endsWith('.') && 'the first line must not end with a full stop',
    (blank !== '' || body.join('').trim() === '') && 'a body, after a blank line, must say why',
  ].filter((mistake) => mistake !== false);
};

const git = (...args: string[]): string =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

const isHere = (commit: string): boolean => {
  try {
    git('cat-file', '-e', `${commit}^{commit}`);
    return true;
  } catch {
    return false;
  }
};

/** The messages of a range by their hashes. Of a range that begins at no commit that is here, as that of a new branch, the last. */
const messagesOf = (range: string): [hash: string, message: string][] => {
  const [from = '', to = 'HEAD'] = range.split('..');
  const which = isHere(from) ? [range] : ['-1', to];
  const log = git('log', '--no-merges', '--format=%h%n%B%x00', ...which);
  return log
    .split('\0')
    .map((entry) => entry.trimStart())
    .filter(Boolean)
    .map((entry) => [entry.slice(0, entry.indexOf('\n')), entry.slice(entry.indexOf('\n') + 1)]);
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const messages = messagesOf(process.argv[2] ?? 'origin/main..HEAD');
  for (const [hash, message] of messages) {
    for (const mistake of mistakesIn(message)) {
      process.exitCode = 1;
      console.error(`${hash} ${message.split('\n')[0]}\n  ${mistake}`);
    }
  }
  if (process.exitCode !== 1) console.log(`${messages.length} commit messages are well formed`);
}
