/** How the tables of `ls` and `watch` fit a terminal. */
import { expect } from 'chai';
import stringWidth from 'string-width';
import { COLUMNS, linesOf, type Row } from '../../src/cli/table.ts';

const OWNER = 'api-7d9f8b6c5d-x2k4j:12345:0f8fad5b-d9cb-469f-a165-70867728950e';

const row = (name: string, owner = OWNER): Row => ({
  name,
  holders: [{ owner, mode: 'exclusive', permits: 1, remaining: 29_000 }],
  waiting: [],
  fence: 1_795_857_513_100_042,
  handOffs: 0.5,
});

const LS = COLUMNS.slice(0, -1);
const headOf = (columns: typeof COLUMNS, rows: readonly Row[], width: number): string =>
  (linesOf(columns, rows, width)[0] ?? '').replace(/ +/g, ' ');

describe('a table of locks', () => {
  it('keeps to every width, and is one whatever the width', () => {
    const rows = [row('order:42'), row(`${'long'.repeat(40)}`), row('漢'.repeat(60), 'me')];
    for (const width of [12, 15, 19, 23, 28, 34, 39, 45, 52, 64, 80, 100, 160, 259]) {
      const lines = linesOf(COLUMNS, rows, width);
      expect(lines).to.have.lengthOf(4);
      for (const line of lines) expect(stringWidth(line), `${width}: ${line}`).to.be.at.most(width);
      expect(lines[0], String(width)).to.match(/^N\S* .*H/); // a name and a holder
    }
  });

  it('leaves out the fence before it cuts a holder so that host and process cannot be read', () => {
    const lines = linesOf(LS, [row('order:42')], 80);
    expect(headOf(LS, [row('order:42')], 80)).to.equal('NAME MODE HOLDER REMAINING WAITING');
    expect(lines[1]).to.contain('api-7d9f8b6c5d-x2k4j:12345');
    expect(headOf(LS, [row('order:42', 'me')], 80)).to.equal('NAME MODE HOLDER REMAINING WAITING FENCE');
  });

  it('cuts the holder before it leaves out what remains and who waits', () => {
    for (const width of [64, 50, 40]) {
      expect(headOf(COLUMNS, [row('order:42')], width), String(width)).to.equal('NAME HOLDER REMAINING WAITING');
    }
  });

  it('does not cut every holder for one long name', () => {
    const lines = linesOf(LS, [row('order:42'), row('x'.repeat(200))], 100);
    expect(lines[1]).to.contain('api-7d9f8b6c5d-x2k4j:12345');
    expect(lines[2]).to.match(/^x{20,}… /);
  });
});
