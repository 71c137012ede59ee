/** What spin searches: variants in which it must find no error, and broken ones in which it must find one. README.md explains them. */

/** One search: what it shows, of which model and by which of its variants, and whether spin must find an error. */
export interface Search {
  readonly model: 'lock' | 'quorum';
  readonly shows: string;
  readonly defines: string;
  /** What an error is: of a mutant, which lacks a rule of the protocol, or of a limit, up to which the protocol reaches. */
  readonly finds: 'mutant' | 'limit' | undefined;
}

/** The searches of one variant: what holds in it, and what each change to it shows. */
const variant = (
  model: Search['model'],
  shows: string,
  defines: string,
  mutants: readonly (readonly [shows: string, defines: string])[],
): Search[] => [
  { model, shows, defines, finds: undefined },
  ...mutants.map(
    ([lacks, changed]): Search => ({ model, shows: lacks, defines: `${defines} ${changed}`, finds: 'mutant' }),
  ),
];

const limit = (shows: string, defines: string): Search => ({ model: 'quorum', shows, defines, finds: 'limit' });

const SAFE = '-DN=2 -DLUCK=1';
const FAULTS = '-DN=2 -DFAULTS -DLUCK=0';
const LIVE = '-DN=3 -DLIVE -DTTL=3 -DWTTL=3 -DCT=1';
const TERMS = '-DN=1 -DTERMS -DTTL=3 -DLONG=5 -DLUCK=2';
const FENCES = '-DFENCES -DAHEAD=2 -DHIGHEST=3';

/** Seconds each, where nothing else runs; those of `LONG` take minutes. */
export const SEARCHES: readonly Search[] = [
  ...variant(
    'lock',
    'two never believe at once, nobody believes longer than the server keeps, whoever has left is not back',
    SAFE,
    [
      ['a release that does not compare owners', '-DNO_COMPARE'],
      ['a release that compares the owner but not the fence', '-DRELEASES_BY_OWNER'],
      ['a release by fence where an acquire may land behind it', '-DFENCED=true'],
      ['a renewal that makes a holder of an owner who is none', '-DRECREATES'],
      ['an acquire without a not-after', '-DKEEP_ACQUIRE=1'],
      ['a cancel without a not-after', '-DKEEP_CANCEL=1'],
      ['a cancel that is made once, whatever may land behind it', '-DONCE=true'],
      ['an attempt that does not wait for the not-after of the cancel before it', '-DHASTE=true'],
      ['a session that begins before the cancel of the last one can land no more', '-DBEGINS_AT_ONCE'],
      ['a waiter that believes a message older than its denial', '-DOLD_GRANTS'],
      ['a hand-off that counts from when it is heard', '-DHANDED_AFRESH'],
      ['a script that tells before it writes', '-DTELLS_FIRST'],
      ['a holder whose place in the queue is left to it', '-DWTTL=3 -DKEEPS_PLACE'],
    ],
  ),
  ...variant('lock', 'the later fence is higher, whatever lapses, is forgotten or steps back', `${FAULTS} -DK=2`, [
    ['a fence that does not rise', '-DNO_RISE'],
    ['a clock that does not keep up with the time', '-DNO_CLOCK'],
    ['a clock that lapses while it is ahead of the time', '-DNO_LEAD'],
  ]),
  ...variant(
    'lock',
    'whoever waits is served, though messages get lost, a client dies and another gives up',
    `${LIVE} -DLUCK=0`,
    [['a waiter that never asks again', '-DNO_HEARTBEAT']],
  ),
  ...variant('lock', 'renewals of different ttl let nobody believe longer than the server keeps', TERMS, [
    ['a renewal without a not-after', '-DKEEP_RENEWAL=1'],
    ['a renewal that compares the owner but not the fence', '-DRENEWS_BY_OWNER'],
    ['two renewals at once', '-DTWO_AT_ONCE'],
    ['a holder that forgets a shorter renewal of unknown outcome', '-DNO_BOUND'],
    ['a holder that asks only at the answer whether that may still land', '-DBOUND_AT_THE_ANSWER'],
  ]),
  ...variant(
    'lock',
    'an owner that is given may go on in another process after a loss, a detach or a death',
    `${TERMS} -DGIVEN`,
    [
      ['a process that releases what it has lost', '-DRELEASES_AFTER_LOSS'],
      ['a release without a not-after', '-DKEEP_RELEASE=1'],
      ['a detach that does not wait until no renewal can land', '-DLETS_GO_AT_ONCE'],
    ],
  ),
  ...variant(
    'quorum',
    'healing lets no two believe at once, a majority keeps what is believed, whoever has left is not back',
    '-DRESTARTS=1',
    [
      ['a node that votes at once after its restart', '-DDELAY=0'],
      ['a node that votes before the longest ttl is over', '-DDELAY=1'],
      ['a node that votes because it was healed', '-DHEALED_VOTES'],
      ['a healing without a not-after', '-DKEEP_HEAL=true'],
      ['a cancel that is made once, though a healing may land behind it', '-DONCE=true'],
      ['a renewal that a minority acknowledges', '-DRENEWS_BY=1'],
    ],
  ),
  ...variant('quorum', 'a lease that was broken is lost at its next renewal, and not healed', '-DBREAKS -DRESTARTS=0', [
    ['a healing before a majority has acknowledged', '-DEARLY_HEAL'],
  ]),
  limit(
    'a lease is broken while a renewal and an acquire of it are on their way',
    '-DBREAKS -DRESTARTS=0 -DAT_ANY_TIME',
  ),
  ...variant('quorum', 'fences rise in the order in which leases are emitted', `${FENCES} -DRESTARTS=0`, [
    ['no raise', '-DNO_RAISE'],
    ['a raise that a minority confirms', '-DCONFIRMS=1'],
    ['a raise after the emission', '-DRAISE_AFTER'],
    ['a raise confirmed by nodes that have not granted', '-DRAISE_ANYWHERE'],
  ]),
  limit('a node votes before its time has passed the clock that it forgot', `${FENCES} -DRESTARTS=1 -DFORGETS_CLOCK`),
];

const holds = (model: Search['model'], shows: string, defines: string): Search => ({
  model,
  shows,
  defines,
  finds: undefined,
});

export const LONG: readonly Search[] = [
  holds('lock', 'two never believe at once: two troubles', '-DN=2 -DLUCK=2'),
  holds('lock', 'two never believe at once: waiters that outlive a lease', '-DN=2 -DLUCK=1 -DWTTL=3'),
  holds('lock', 'two never believe at once: a reader and a writer', '-DN=2 -DLUCK=1 -DREADERS=1'),
  holds('lock', 'two never believe at once: two readers', '-DN=2 -DLUCK=1 -DREADERS=2'),
  holds('lock', 'the later fence is higher: three grants', `${FAULTS} -DK=3`),
  holds('lock', 'whoever waits is served: one trouble', `${LIVE} -DLUCK=1`),
  holds('lock', 'a given owner goes on in another process: with a rival', '-DN=2 -DGIVEN -DLUCK=1'),
  holds('quorum', 'healing: two restarts', '-DRESTARTS=2'),
  holds('quorum', 'healing: both renew', '-DRESTARTS=0 -DRENEWERS=2'),
  holds('quorum', 'a broken lease is not healed: one restart', '-DBREAKS -DRESTARTS=1'),
  holds('quorum', 'fences rise: one restart', `${FENCES} -DRESTARTS=1`),
  holds('quorum', 'fences rise: more draws', '-DFENCES -DAHEAD=2 -DHIGHEST=4 -DRESTARTS=0'),
];
