/** The table of the matrix, and its place in docs/README.md. */

export interface Ran {
  readonly passes: number;
  readonly pending: number;
  /** The titles of what failed. */
  readonly failed: readonly string[];
  readonly minutes: number;
}

const BEGIN = '<!-- npm run matrix -->';
const END = '<!-- until here -->';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

export const row = (name: string, { passes, pending, failed, minutes }: Ran): string =>
  `| ${cell(name)} | ${passes} | ${pending} | ${failed.length} | ${minutes.toFixed(1)} | ${cell(failed.join('; '))} |`;

/** The page with this table in the place of the last one. */
export const tableIn = (page: string, about: string, rows: readonly string[]): string => {
  const [before, rest = ''] = page.split(`${BEGIN}\n`);
  const [, after] = rest.split(END);
  if (before === undefined || after === undefined) throw new Error(`The page has no ${BEGIN} … ${END}`);
  const head = ['| differs | passed | left out | failed | minutes | which |', '|---|---|---|---|---|---|'];
  return `${before}${BEGIN}\n${[about, '', ...head, ...rows].join('\n')}\n${END}${after}`;
};
