/** Says of an object that it is of another copy of this package: two versions are installed, or modules were loaded anew. */
import { reading, show } from './options.ts';

/**
 * What is no object of ours, for a message.
 *
 * @param member a method by which those of another copy are recognised
 */
export const showOther = (argument: string, value: unknown, member: string): string => {
  const isOther = reading(argument, () => typeof value === 'object' && value !== null && member in value);
  return isOther ? 'one of another copy of redisync: see that it is installed, and loaded, once' : show(value);
};
