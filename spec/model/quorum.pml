/*
 * A quorum of independent nodes: grants by a majority, the raise of the clocks that makes fences rise, renewals, and the
 * healing of nodes that have missed or forgotten a lease. A model that spin searches exhaustively within its bounds;
 * README.md tells in plain English what is modelled, what is not, and what each variant and each mutant shows.
 *
 * A transition is tied to what it models: the name of a method stands after the word src. model.spec.ts checks that these
 * exist.
 *
 * Bounds: M nodes, of which Q are a majority, and N clients, who come back for ever, each time under a fresh owner. Any
 * RESTARTS without data. Time passes in ticks: TTL of a lease, CT of a command, DELAY from the restart of a node
 * to its vote; clocks run at the same rate. What is on its way arrives late, in any order, or not at all, and an answer may
 * get lost.
 *
 * Variants, by -D: FENCES, where clocks of nodes are up to SKEW apart and leases are not renewed; BREAKS, where a lease is
 * broken on all nodes at any time; and the mutants, which check.ts lists.
 */
#ifdef FENCES
#define CT 0
#endif
#define N 2
#define M 3
#define Q 2
#define ALL 7
#define BIT(n) (1 << (n))
#define COUNT(nodes) (((nodes) & 1) + (((nodes) >> 1) & 1) + (((nodes) >> 2) & 1))
#ifndef TTL
#define TTL 2
#endif
#ifndef CT
#define CT 1
#endif
#ifndef DELAY
#define DELAY TTL
#endif
#ifndef CONFIRMS
#define CONFIRMS Q /* of a raise */
#endif
#ifndef RENEWS_BY
#define RENEWS_BY Q
#endif
#ifndef RESTARTS
#define RESTARTS 2
#endif
#ifndef RENEWERS
#define RENEWERS 1 /* how many of the clients renew, and heal */
#endif
#ifndef ONCE
#define ONCE false
#endif
#ifndef KEEP_HEAL
#define KEEP_HEAL false
#endif

/* What a client does. */
#define IDLE 0
#define ASKS 1
#define RAISES 2
#define HOLDS 3
#define RENEWS 4
#define LEAVES 5
#define BELIEVES(c) ((phase[c] == HOLDS || phase[c] == RENEWS) && left[c] > 0)

/* The clients. Sets of nodes are bits of a byte. */
byte phase[N];
byte left[N];  /* ticks for which a lease is believed, or would be if it were granted now */
byte age[N];   /* ticks since the renewal under way was sent */
byte asks[N];  /* acquires on their way */
byte heals[N]; /* those by which a lease is healed */
byte until[N]; /* ticks until the not-after of both */
byte sent[N];  /* raises or renewals on their way */
byte yes[N];   /* who has granted, confirmed or renewed */
byte gone[N];  /* who has said that the lease is not there */
#ifdef BREAKS
bit broken[N]; /* the lease was on no node since it was granted */
bit knew[N];   /* and was so before the renewal under way was sent */
#endif

/* The nodes. */
byte holder[M]; /* 1 + the client; 0 for none */
byte ticks[M]; /* until the lease lapses */
byte young[M]; /* ticks until it has a vote */
byte restarts = RESTARTS; /* that may still come */

#ifdef FENCES
/* No time passes, so a node may drop what is given up or has lapsed at any time, and its clock rises by what is drawn. */
#ifndef AHEAD
#define AHEAD 3 /* by how much the clocks of some nodes are ahead at first */
#endif
#ifndef HIGHEST
#define HIGHEST 6
#endif
byte clock[M];
byte fence[N]; /* the highest of those that granted */
byte gave[N];  /* who granted: to others none of them grants before it is raised */
byte highest;  /* of the leases that were emitted */
#define DRAW(n) (clock[n] + 1 > NOW + skew[n] -> clock[n] + 1 : NOW + skew[n])
#ifdef RAISE_ANYWHERE
#define COUNTS(c) ALL
#else
#define COUNTS(c) gave[c]
#endif
#define may_draw(n) (clock[n] < HIGHEST)
#else
#define may_draw(n) true
#endif

/* ---- a node: what arrives there ---- */

inline take(c, n) {
  assert(phase[c] != IDLE); /* who was told that all of him has left is never back */
  holder[n] = c + 1;
#ifdef FENCES
  clock[n]++
#endif
}

/* src: member.ts: acquire */
inline acquire(c, n) {
  if
  :: holder[n] == 0 -> take(c, n)
  :: else -> skip
  fi;
  if
  :: holder[n] == c + 1 -> ticks[n] = TTL
  :: else -> skip
  fi
}

/* A node has no vote until it is up for so long that what it forgot has lapsed. */
inline vote(c, n) {
  if
  :: phase[c] == ASKS && holder[n] == c + 1 && young[n] == 0 ->
    yes[c] = yes[c] | BIT(n);
#ifdef FENCES
    if
    :: clock[n] > fence[c] -> fence[c] = clock[n]
    :: else -> skip
    fi
#endif
  :: else -> skip
  fi
}

/* src: member.ts: renew */
inline renew(c, n, heard) {
  if
  :: holder[n] == c + 1 -> ticks[n] = TTL; yes[c] = yes[c] | (heard << n)
  :: else ->
#ifdef EARLY_HEAL
    acquire(c, n);
    if
    :: holder[n] == c + 1 -> yes[c] = yes[c] | (heard << n)
    :: else -> gone[c] = gone[c] | (heard << n)
    fi
#else
    gone[c] = gone[c] | (heard << n)
#endif
  fi
}

/* On nodes that say that the lease is not there, with a not-after that is no later than its deadline. src: member.ts: heal */
inline heal(c, nodes) {
  if
  :: nodes != 0 && left[c] > 0 ->
    heals[c] = heals[c] | (nodes);
    if
    :: until[c] < CT && left[c] > until[c] -> until[c] = (left[c] < CT -> left[c] : CT)
    :: else -> skip
    fi
  :: else -> skip
  fi
}

/* ---- the network ---- */

proctype Network(byte c; byte n) {
  do
  :: d_step { (asks[c] & BIT(n)) && may_draw(n) -> asks[c] = asks[c] & (ALL - BIT(n)); acquire(c, n); vote(c, n) }
  :: d_step { (asks[c] & BIT(n)) && may_draw(n) -> asks[c] = asks[c] & (ALL - BIT(n)); acquire(c, n) }
  :: d_step { (heals[c] & BIT(n)) && may_draw(n) -> heals[c] = heals[c] & (ALL - BIT(n)); acquire(c, n);
#ifdef HEALED_VOTES
      young[n] = 0
#endif
    }
#ifdef FENCES
  /* src: raise.lua: raise */
  :: d_step { phase[c] == RAISES && (sent[c] & BIT(n)) ->
      sent[c] = sent[c] & (ALL - BIT(n));
      if
      :: clock[n] < fence[c] -> clock[n] = fence[c]
      :: else -> skip
      fi;
      yes[c] = yes[c] | (BIT(n) & COUNTS(c)) }
#ifdef RAISE_AFTER
  :: d_step { phase[c] == HOLDS && (sent[c] & BIT(n)) ->
      sent[c] = sent[c] & (ALL - BIT(n));
      if
      :: clock[n] < fence[c] -> clock[n] = fence[c]
      :: else -> skip
      fi }
#endif
#else
  :: d_step { phase[c] == RENEWS && (sent[c] & BIT(n)) -> sent[c] = sent[c] & (ALL - BIT(n)); renew(c, n, 1) }
  :: d_step { phase[c] == RENEWS && (sent[c] & BIT(n)) -> sent[c] = sent[c] & (ALL - BIT(n)); renew(c, n, 0) }
  /* Behind the answer of the majority. */
  :: d_step { phase[c] == HOLDS && (sent[c] & BIT(n)) ->
      sent[c] = sent[c] & (ALL - BIT(n));
      if
      :: holder[n] == c + 1 -> ticks[n] = TTL
      :: else -> heal(c, BIT(n))
      fi }
#endif
  /* src: member.ts: release */
  :: d_step { phase[c] == LEAVES && holder[n] == c + 1 -> holder[n] = 0; ticks[n] = 0 }
  od
}

/* ---- the clients ---- */

/* Two never believe at once. */
inline believe(c, length) {
  left[c] = length; phase[c] = HOLDS; yes[c] = 0; gone[c] = 0; age[c] = 0;
#ifndef BREAKS
  assert(!BELIEVES(1 - c))
#endif
}

inline emit(c) {
#ifdef FENCES
  assert(fence[c] > highest); /* in the order in which they are emitted */
  highest = fence[c];
#endif
  believe(c, left[c])
}

inline leave(c) {
  phase[c] = LEAVES; left[c] = 0; age[c] = 0; yes[c] = 0; gone[c] = 0; sent[c] = 0;
#ifdef BREAKS
  broken[c] = 0; knew[c] = 0;
#endif
#ifdef FENCES
  fence[c] = 0; gave[c] = 0;
  young[0] = young[0] & (2 >> c); young[1] = young[1] & (2 >> c); young[2] = young[2] & (2 >> c)
#endif
}

#define NOWHERE(c) (holder[0] != c + 1 && holder[1] != c + 1 && holder[2] != c + 1)

proctype Client(byte c) {
  do
  /* src: quorum.ts: acquire */
  :: d_step { phase[c] == IDLE -> phase[c] = ASKS; asks[c] = ALL; until[c] = CT; left[c] = TTL }
#ifdef FENCES
#ifdef NO_RAISE
  :: d_step { phase[c] == ASKS && COUNT(yes[c]) >= Q && left[c] > 0 -> emit(c) }
#elif defined(RAISE_AFTER)
  :: d_step { phase[c] == ASKS && COUNT(yes[c]) >= Q && left[c] > 0 -> emit(c); sent[c] = ALL }
#else
  :: d_step { phase[c] == ASKS && COUNT(yes[c]) >= Q && left[c] > 0 ->
      phase[c] = RAISES; gave[c] = yes[c]; yes[c] = 0; sent[c] = ALL }
  :: d_step { phase[c] == RAISES && COUNT(yes[c]) >= CONFIRMS && left[c] > 0 -> sent[c] = 0; emit(c) }
#endif
#else
  :: d_step { phase[c] == ASKS && COUNT(yes[c]) >= Q && left[c] > 0 -> believe(c, left[c]) }
  /* src: quorum.ts: renew */
  :: d_step { phase[c] == HOLDS && left[c] > 0 && c < RENEWERS -> phase[c] = RENEWS; sent[c] = ALL;
#ifdef BREAKS
      knew[c] = broken[c]
#endif
    }
  :: d_step { phase[c] == RENEWS && COUNT(yes[c]) >= RENEWS_BY && left[c] > 0 && TTL > age[c] ->
      left[c] = TTL - age[c];
#ifdef BREAKS
      assert(!knew[c]); knew[c] = 0;
#endif
      heal(c, gone[c]);
      believe(c, left[c]) }
  :: d_step { phase[c] == RENEWS && COUNT(gone[c]) > M - Q -> leave(c) }
  /* Its outcome is unknown. What arrives later can only lengthen. */
  :: d_step { phase[c] == RENEWS -> phase[c] = HOLDS; sent[c] = 0; yes[c] = 0; gone[c] = 0; age[c] = 0 }
#endif
  /* It is denied, or gives up, or releases, or finds its lease lapsed. */
  :: d_step { phase[c] != IDLE && phase[c] != LEAVES -> leave(c) }
  /* All that it has is cancelled, and again until nothing can land behind that. src: cancel.ts: cancel */
  :: d_step { phase[c] == LEAVES && NOWHERE(c) && (ONCE || until[c] == 0) -> phase[c] = IDLE; asks[c] = 0 }
  od
}

/* ---- time, and what befalls nodes ---- */

inline ages(n) {
  if
  :: ticks[n] > 1 -> ticks[n]--
  :: else -> ticks[n] = 0; holder[n] = 0
  fi;
  if :: young[n] > 0 -> young[n]-- :: else -> skip fi
}

#define OPEN(c) (phase[c] != IDLE && phase[c] != LEAVES)
/* A majority has the lease of one who believes, or has no vote. */
#define KEEPS(c, n) (holder[n] == c + 1 || young[n] > 0)
#define KEPT(c) (KEEPS(c, 0) + KEEPS(c, 1) + KEEPS(c, 2) >= Q)

inline passes(c) {
  if :: left[c] > 0 -> left[c]-- :: else -> skip fi;
  if :: phase[c] == RENEWS && age[c] < TTL -> age[c]++ :: else -> skip fi;
  if :: until[c] > 0 -> until[c]-- :: else -> skip fi;
  if
  :: until[c] == 0 ->
    asks[c] = 0;
    heals[c] = (KEEP_HEAL -> heals[c] : 0)
  :: else -> skip
  fi;
}

/* Without its data. */
inline restart(n) {
  restarts--;
  holder[n] = 0; ticks[n] = 0;
#ifdef FENCES
  /* Its time has passed the clock that it forgot when it has a vote again. */
#ifdef FORGETS_CLOCK
  clock[n] = 0;
#endif
  young[n] = OPEN(0) | (OPEN(1) << 1)
#else
  young[n] = DELAY
#endif
}

#ifdef AT_ANY_TIME
#define at_rest(c) true
#else
#define at_rest(c) (asks[c] == 0 && heals[c] == 0 && sent[c] == 0 && phase[c] != RENEWS)
#endif

proctype World() {
  do
#ifndef FENCES
  :: d_step {
      passes(0); passes(1);
      ages(0); ages(1); ages(2);
#ifndef BREAKS
      assert((!BELIEVES(0) || KEPT(0)) && (!BELIEVES(1) || KEPT(1)))
#endif
    }
#endif
  :: d_step { restarts > 0 -> restart(0) }
  :: d_step { restarts > 0 -> restart(1) }
  :: d_step { restarts > 0 -> restart(2) }
#ifdef BREAKS
  :: d_step { at_rest(0) && at_rest(1) ->
      holder[0] = 0; holder[1] = 0; holder[2] = 0; ticks[0] = 0; ticks[1] = 0; ticks[2] = 0;
      broken[0] = (phase[0] == HOLDS || phase[0] == RENEWS); broken[1] = (phase[1] == HOLDS || phase[1] == RENEWS) }
#endif
  od
}

init {
  atomic {
#ifdef FENCES
    if :: clock[0] = AHEAD :: skip fi;
    if :: clock[1] = AHEAD :: skip fi;
    if :: clock[2] = AHEAD :: skip fi;
#endif
    run World();
    run Client(0); run Network(0, 0); run Network(0, 1); run Network(0, 2);
    run Client(1); run Network(1, 0); run Network(1, 1); run Network(1, 2)
  }
}
