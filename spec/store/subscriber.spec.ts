/** What a text on a channel says, whoever published it. */
import { assert } from 'chai';
import fc from 'fast-check';
import { Cluster, Redis } from 'ioredis';
import { asyncScheduler } from 'rxjs';
import { ShardListener } from '../../src/store/shard-listener.ts';
import { messageIn, Subscriber } from '../../src/store/subscriber.ts';

describe('the channel of a coordinator', () => {
  it('is not that of another, also before it is heard: the scripts tell by it whose waiters are whose', () => {
    const dialling = { commandTimeout: 2_000, scheduler: asyncScheduler };
    const client = new Redis({ lazyConnect: true });
    const cluster = new Cluster([], { lazyConnect: true });
    const channels = [
      new Subscriber(client, '', dialling).channel(),
      new Subscriber(client, '', dialling).channel(),
      new ShardListener(() => cluster, '', dialling).channel('a'),
      new ShardListener(() => cluster, '', dialling).channel('a'),
    ];
    assert.lengthOf(new Set(channels), 4);
    for (const channel of channels) assert.match(channel, /^-\S+$/);
  });
});

describe('a text on the channel of a coordinator', () => {
  it('is a message when it is what the scripts publish', () => {
    assert.deepEqual(messageIn('["a","me","1764000000000000"]'), ['a', 'me', '1764000000000000']);
    assert.deepEqual(messageIn('["","",\t"7"]'), ['', '', '7']);
  });

  it('is none, and no error, when it is anything else', () => {
    const others = [
      ...['', 'hello', '{', '[', 'undefined', 'null', 'true', '7', '"a"', '{}', '[]', '[null]', '\0', '\ud800'],
      ...['["a"]', '["a","me"]', '["a","me","7","more"]', '[["a"],"me","7"]', '["a",1,"7"]', '["a","me",7]'],
      ...['["a","me",""]', '["a","me","-7"]', '["a","me","1e9"]', '["a","me","0x7"]', '["a","me"," 7"]'],
      ...['["a","me","9007199254740993"]', '["a","me","7.5"]', '{"0":"a","1":"me","2":"7","length":3}'],
      `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    ];
    for (const text of others) assert.isUndefined(messageIn(text), text.slice(0, 80));
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => messageIn(text) === undefined));
  });
});
