/** The specs of one model: spin finds no error in its variants, and one in each mutant. */
import { assert } from 'chai';
import { missing, search } from './check.ts';
import { SEARCHES, type Search } from './searches.ts';

export const searched = (model: Search['model']): Mocha.Suite =>
  describe(`the model of the ${model}`, function () {
    this.timeout(600_000); // they leave the processor to what has deadlines
    const lack = missing();
    if (lack) {
      it.skip(`is not searched: ${lack}`);
      return;
    }
    for (const one of SEARCHES.filter((each) => each.model === model)) {
      const name =
        one.finds === 'mutant' ? `is found wrong with ${one.shows}` : `${one.finds ?? 'holds'}: ${one.shows}`;
      it(name, () => {
        const { error } = search(one);
        if (one.finds) assert.isString(error, 'an error');
        else assert.isUndefined(error);
      });
    }
  });
