/** What INFO says of servers that a spec cannot have: one that is too old, and replicas that lag. */
import { expect } from 'chai';
import { check, factsOf } from '../../src/diagnose/checks.ts';

const found = (...lines: readonly string[]): string[] =>
  check(factsOf(['redis_version:7.0.15', 'role:master', ...lines].join('\r\n')), {
    quorum: false,
    replicas: undefined,
  }).map(({ severity, code, seen }) => `${severity} ${code} ${seen}`);

describe('the checks of INFO', () => {
  it('find a version that is too old, and none that is not', () => {
    expect(found('redis_version:6.0.20')).to.deep.equal(['error VERSION Redis 6.0.20']);
    expect(found('redis_version:5.0.14')).to.deep.equal(['error VERSION Redis 5.0.14']);
    for (const version of ['6.2.0', '7.0.15', '10.0.0']) expect(found(`redis_version:${version}`)).to.deep.equal([]);
  });

  it('find replicas that are behind, silent, or not online', () => {
    const replica = (fields: string): string[] =>
      found('connected_slaves:1', 'master_repl_offset:2000000', 'min_slaves_good_slaves:1', `slave0:${fields}`);
    const address = 'ip=10.0.0.2,port=6379';
    expect(replica(`${address},state=online,offset=1999990,lag=0`)).to.deep.equal([]);
    expect(replica(`${address},state=online,offset=100,lag=0`)).to.deep.equal([
      'warning REPLICA replica 10.0.0.2:6379: online, 1999900 bytes behind, silent for 0 s',
    ]);
    expect(replica(`${address},state=online,offset=2000000,lag=9`)[0]).to.contain('silent for 9 s');
    expect(replica(`${address},state=wait_bgsave,offset=2000000,lag=0`)[0]).to.contain('wait_bgsave');
  });
});
