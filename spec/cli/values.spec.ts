import { expect } from 'chai';
import stringWidth from 'string-width';
import { COLUMNS, cut, linesOf, NAME, type Row, sorted } from '../../src/cli/table.ts';
import { integer, milliseconds, printable, spoken, withoutSecrets } from '../../src/cli/values.ts';

describe('values of the redisync command', () => {
  it('read durations with their units', () => {
    const read = milliseconds('0s');
    expect(['300ms', '30s', '2m', '1.5s', '1h', '0s'].map(read)).to.deep.equal([
      300, 30_000, 120_000, 1_500, 3_600_000, 0,
    ]);
  });

  it('refuse durations that have no unit, are out of bounds or are something else', () => {
    for (const wrong of ['30', '', 's', '-1s', '1e3s', '1 s', '1d', '30S', 'NaNs']) {
      expect(() => milliseconds('0s')(wrong), wrong).to.throw('such as 300ms, 30s or 2m');
    }
    expect(() => milliseconds('1s')('999ms')).to.throw('from 1s to 596h');
    expect(() => milliseconds('1s')('597h')).to.throw('from 1s to 596h');
  });

  it('read integers within their bounds only', () => {
    expect(integer(0, 255)('255')).to.equal(255);
    for (const wrong of ['256', '-1', '1.5', '0x1', '', ' 1']) {
      expect(() => integer(0, 255)(wrong), wrong).to.throw('from 0 to 255');
    }
  });

  it('speak durations as people do', () => {
    const ms = [-5, 0, 2_449, 9_999, 29_400, 60_000, 125_000, 3_900_000];
    expect(ms.map(spoken)).to.deep.equal(['0.0s', '0.0s', '2.4s', '10.0s', '29s', '1m00s', '2m05s', '1h05m']);
  });

  it('show what would steer a terminal as escapes, and leave all other text alone', () => {
    expect(printable('a\x1b]0;x\x07\u202e\x9b\r\n')).to.equal('a\\u001b]0;x\\u0007\\u202e\\u009b\\u000d\\u000a');
    expect(printable('größe 漢字 👩‍🚀 {x}:*')).to.equal('größe 漢字 👩‍🚀 {x}:*');
  });

  it('keep the secrets in URLs to themselves, and no other text', () => {
    expect(withoutSecrets("'redis://u:p@ss/w@h:1/2?password=x&db=1' rediss://:p@h")).to.equal(
      "'redis://…@h:1/2?password=…&db=1' rediss://…@h",
    );
    expect(withoutSecrets('cannot use Redis at redis://h:1/2: a@b')).to.equal('cannot use Redis at redis://h:1/2: a@b');
  });
});

describe('a table', () => {
  const row = (name: string, owners: number, handOffs = 0): Row => ({
    name,
    holders: Array.from({ length: owners }, (_, i) => ({
      owner: `o${i}`,
      mode: 'shared' as const,
      permits: 1,
      remaining: 1_000 * (i + 1),
    })),
    waiting: [],
    fence: owners === 0 ? undefined : 7,
    handOffs,
  });

  it('tells of several holders the first, how many more, and when the next lapses', () => {
    expect(linesOf(COLUMNS, [row('a', 3)])[1]).to.match(/^a +shared +o0 \+2 +1\.0s +0 +7 +0\.0$/);
  });

  it('leaves out what there is not', () => {
    expect(linesOf(COLUMNS, [row('a', 0)])[1]?.split(/ +/)).to.deep.equal(['a', '0', '0.0']);
  });

  it('shortens names and owners to fit, by what is seen of them', () => {
    for (const width of [70, 80, 200]) {
      const lines = linesOf(COLUMNS, [row('漢'.repeat(100), 1), row('b', 1)], width);
      for (const line of lines) expect(stringWidth(line)).to.be.at.most(width);
      expect(lines[2]).to.match(/ 7 /);
    }
    expect([cut('漢字漢字', 5), cut('abc', 3), cut('abcd', 3)]).to.deep.equal(['漢字…', 'abc', 'ab…']);
  });

  it('leaves out whole columns where there is no room for all, hand-offs later than fences', () => {
    const long = { ...row('n'.repeat(30), 1, 2), fence: 1_795_527_599_583_431 };
    const heads = [100, 76, 60, 40, 26].map((width) => linesOf(COLUMNS, [long], width)[0]?.trim().split(/ +/));
    expect(heads).to.deep.equal([
      ['NAME', 'MODE', 'HOLDER', 'REMAINING', 'WAITING', 'FENCE', 'HAND-OFFS/S'],
      ['NAME', 'MODE', 'HOLDER', 'REMAINING', 'WAITING', 'HAND-OFFS/S'],
      ['NAME', 'HOLDER', 'REMAINING', 'WAITING', 'HAND-OFFS/S'],
      ['NAME', 'HOLDER', 'REMAINING', 'WAITING'],
      ['NAME', 'HOLDER'],
    ]);
  });

  it('is sorted by any column, and by name among equals', () => {
    const rows = [row('b', 1), row('a', 1), row('c', 2)];
    const by = (key: string) => COLUMNS.find((column) => column.key === key) ?? NAME;
    const names = (key: string, reverse: boolean): string =>
      sorted(rows, by(key), reverse)
        .map(({ name }) => name)
        .join('');
    expect([names('name', false), names('holder', true), names('fence', true)]).to.deep.equal(['abc', 'cba', 'cba']);
  });
});
