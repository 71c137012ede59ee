/** Checks that a load ends with its site, also where a spec fails before it could stop it. */
import { assert } from 'chai';
import { NEVER } from 'rxjs';
import { eventually } from '../support/eventually.ts';
import { load } from './load.ts';
import { at } from './site.ts';

describe('a load', () => {
  it(
    'ends once its coordinator is closed, instead of asking for the lock for ever',
    at(async (site) => {
      const client = site.client();
      const mutex = client.mutex.bind(client);
      let closing = false;
      let asked = 0;
      client.mutex = (...wanted) => {
        if (closing) asked += 1;
        return asked > 1_000 ? NEVER : mutex(...wanted); // it would go on for ever
      };
      const work = load(site, 'closed', [client]);
      await eventually('the load runs', () => site.register.value > 0);
      closing = true;
      await client.locks.close();
      assert.isAtMost(asked, 1);
      await work.stop();
    }),
  );
});
