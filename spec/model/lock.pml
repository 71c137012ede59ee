/*
 * The queue, the hand-off and the life of a lease, as a model that spin searches exhaustively within its bounds.
 *
 * A transition is tied to what it models: a function or a verb of a script, or a method of the lifecycle, named after the
 * word src. model.spec.ts checks that these are there.
 *
 * Bounds: N clients, each one owner who comes back for ever. Per client, on their way: one command that it waits for, one
 * late command of each kind, one answer, one grant. LUCK troubles (commands of unknown outcome, clients that die, grants
 * that nobody hears). K grants where FAULTS, no bound elsewhere: there only the order of a grant and a denial is known.
 * Time passes in ticks: TTL of a lease, WTTL of a waiter, CT of a command; clocks agree but for DRIFT. What is on its way
 * is late for any time, and a command is lost by being too late. All lock exclusively unless SHARED(c), LIMIT of them.
 *
 * Not in it: foreign holders, try(), several permits a lease, renew(ttl), downgrade, forceRelease, replicas, the quorum.
 *
 * Variants, by -D: FAULTS, where a lease lapses at any time, the server forgets all and its clock steps back, so that only
 * the token protects; LIVE, where time passes only when all that are alive have done what is due, so that who waits is
 * served. The broken ones are listed in check.ts.
 */
#ifndef N
#define N 3
#endif
#ifndef TTL
#define TTL 2
#endif
#ifndef WTTL
#define WTTL 2
#endif
#ifndef CT
#define CT 2
#endif
#ifndef K
#define K 4
#endif
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef SHARED
#define SHARED(c) 0
#endif
#define DRIFT 1
#ifndef HASTE
#define HASTE false
#endif
#ifndef ONCE
#define ONCE false
#endif
#ifndef KEEP_ACQUIRE
#define KEEP_ACQUIRE 0
#endif
#ifndef KEEP_RELEASE
#define KEEP_RELEASE 0
#endif
#define HANDED (TTL < WTTL -> TTL : WTTL)
#define MOST (TTL > CT -> TTL : CT)

/* What a client does: CLEARS has left, and leaves once more when nothing of unknown outcome can land behind that. */
#define IDLE 0
#define ASKS 1
#define WAITS 2
#define UNDOES 3
#define HOLDS 4
#define LEAVES 5
#define CLEARS 6
#define DEAD 7
#define HOPES(c) (phase[c] == ASKS || phase[c] == WAITS || phase[c] == UNDOES)

/* Commands and answers. */
#define NONE 0
#define ACQUIRE 1
#define RENEW 2
#define RELEASE 3
#define GRANTED 1
#define DENIED 2
#define RENEWED 3
#define OVER 4
#define LEFT 5

byte phase[N];
byte call[N];  /* the command whose answer it waits for */
bit up[N];     /* and whether that is still on its way to the server */
byte age[N];   /* ticks since it was sent */
byte down[N];  /* the answer on its way */
byte told[N];  /* a grant in a message on its way: its number, or 1; 0 for none */
bit old[N];    /* which was made before the last denial */
bit early[N];  /* the release that is answered was done before the not-after of all else */
bit newer[N];  /* the denial on its way was made after it */
bit lateA[N], lateN[N], lateR[N]; /* commands of unknown outcome, still on their way */
byte until[N]; /* ticks until the not-after of those */
byte left[N];  /* ticks for which a lease is believed, or would be if it were handed over now */
bit waited[N]; /* it was denied, so it knows its arrival */

/* The server. */
byte hold[N];  /* ticks until the lease lapses; 0 for none */
byte due[N];   /* ticks until a waiter lapses */
bit queued[N];
byte order[N]; /* owners by arrival, those who have lapsed and know their arrival among them */
byte length;

#ifdef FAULTS
byte last;     /* the memory of the last token */
byte count;    /* grants so far; a grant is known by its number */
byte token[K + 1]; /* of each grant */
byte granted[N]; /* the grant by which it holds, as the server knows it */
byte carried[N]; /* the grant, or the last token, that the answer tells */
byte lease[N]; /* the grant by which a client holds, or has held */
byte denied[N]; /* the last token that a denial told */
byte highest, writer; /* of a fenced register: the token, and the grant by which it was written last */
bit behind;    /* the server's clock has stepped back */
#define number(c) granted[c]
#define CARRIED(c) carried[c]
#define carries(c, what) carried[c] = what
#define holds_by(c, what) lease[c] = what
#else
#define number(c) 1
#define CARRIED(c) 0
#define carries(c, what) skip
#define holds_by(c, what) skip
#endif

#ifdef LUCK
byte luck = LUCK; /* how many commands may still come to an unknown end, clients die, grants go unheard */
#define trouble (luck > 0)
#define costs luck--
#else
#define trouble true
#define costs skip
#endif
#ifdef LIVE
byte deaths = 1;
bit acted[N];  /* has asked or renewed since the last tick */
bit worn[N];   /* has renewed once, and leaves next */
#define may_renew (!worn[c] && !acted[c])
#define wears worn[c] = 1; acted[c] = 1
#define dies deaths--
#define rests worn[c] = 0
#define may_act(c) (!acted[c])
#define acts(c) acted[c] = 1
#else
#define may_renew true
#define wears skip
#define dies costs
#define rests skip
#define may_act(c) true
#define acts(c) skip
#endif

#ifdef FAULTS
/* max(last + 1, the clock), which is ahead of all tokens unless it has stepped back. */
#if defined(NO_RISE)
#define RISE (last > 0 -> last : 1)
#elif defined(NO_CLOCK)
#define RISE (last + 1)
#else
#define RISE (behind || last + 1 > count -> last + 1 : count)
#endif
#define EXHAUSTED (count == K)
#define PASSED(c) (waited[c] && token[told[c]] <= denied[c])
#else
#define EXHAUSTED false
#ifdef OLD_GRANTS
#define PASSED(c) false
#else
#define PASSED(c) old[c]
#endif
#endif

/* ---- the scripts ---- */

#if N == 2
#define queue_is_empty (!queued[0] && !queued[1])
#else
#define queue_is_empty (!queued[0] && !queued[1] && !queued[2])
#endif

byte at, used, i, o, q; /* of the scripts: one runs at a time */
bit alone, ok;
bit deaf[N]; /* whose coordinator does not hear of a grant just now */

/* src: settle.lua: fits */
inline fits(c) {
  used = 0; alone = 0; o = 0;
  do
  :: o < N -> used = used + (hold[o] > 0); alone = (alone || (hold[o] > 0 && !SHARED(o))); o++
  :: else -> break
  od;
  ok = (!alone && (SHARED(c) -> used < LIMIT : used == 0) && !EXHAUSTED);
  o = 0; used = 0; alone = 0
}

/* Out of the list of arrivals. */
inline forget(c) {
  i = 0;
  do
  :: i < length && order[i] != c -> i++
  :: else -> break
  od;
  if
  :: i < length ->
    do
    :: i + 1 < length -> order[i] = order[i + 1]; i++
    :: else -> break
    od;
    length--; order[length] = 0
  :: else -> skip
  fi;
  i = 0
}

inline end(c) {
  hold[c] = 0;
#ifdef FAULTS
  granted[c] = 0
#endif
}

/* src: settle.lua: drop */
inline drop(c) {
  queued[c] = 0; due[c] = 0; end(c);
  if
  :: !waited[c] -> forget(c)
  :: else -> skip
  fi
}

/* src: settle.lua: lapse */
inline lapse() {
  q = 0;
  do
  :: q < N -> if :: queued[q] && due[q] == 0 -> drop(q) :: else -> skip fi; q++
  :: else -> break
  od;
  q = 0
}

/* Who was told that all of him has left is never back: of what he sent before, nothing is granted or queued. */
#ifdef FAULTS
#define stays_away(c) skip
#else
#define stays_away(c) assert(phase[c] != IDLE)
#endif

/* With a token that is higher than all before.
   src: settle.lua: grant, memory.lua: remember */
inline grant(c, ticks) {
  stays_away(c);
#ifdef FAULTS
  count++;
  token[count] = RISE;
  last = token[count];
  granted[c] = count;
#endif
  hold[c] = ticks
}

/* src: settle.lua: settle */
inline settle(self) {
  at = 0;
  do
  :: at < length ->
    q = order[at];
    if
    :: queued[q] ->
      fits(q);
      if
      :: !ok -> break
      :: else ->
        if
        :: q == self || !deaf[q] ->
          queued[q] = 0; due[q] = 0;
          if
          :: q == self -> grant(q, TTL)
          :: else ->
            grant(q, HANDED);
            if
            :: HOPES(q) -> told[q] = number(q); old[q] = 0; newer[q] = 0
            :: else -> skip
            fi
          fi;
          if
          :: waited[q] -> at++ /* should the grant lapse unheard, it comes back where it stood */
          :: else -> forget(q)
          fi
        :: else -> at++
        fi
      fi
    :: else -> at++
    fi
  :: else -> break
  od;
  at = 0; q = 0; ok = 0
}

/* src: acquire.lua: acquire */
inline acquire(c) {
  lapse();
  fits(c);
  if
  :: hold[c] > 0 -> hold[c] = TTL /* asking is idempotent */
  :: hold[c] == 0 && ok && !queued[c] && queue_is_empty -> grant(c, TTL)
  :: else ->
    if
    :: !queued[c] ->
      stays_away(c);
      queued[c] = 1;
      i = 0;
      do
      :: i < length && order[i] != c -> i++
      :: else -> break
      od;
      if
      :: i == length -> order[length] = c; length++
      :: else -> skip /* back where it stood */
      fi;
      i = 0
    :: else -> skip
    fi;
    due[c] = WTTL;
    settle(c)
  fi;
  ok = 0
}

/* src: release.lua: release */
inline release(c) {
  lapse();
#ifdef NO_COMPARE
  q = 0;
  do
  :: q < N -> end(q); q++
  :: else -> break
  od;
  q = 0;
#endif
  if
  :: hold[c] > 0 || queued[c] -> drop(c)
  :: else -> skip
  fi;
  settle(N)
}

/* src: renew.lua: renew */
inline renew(c) {
#ifdef RECREATES
  if
  :: hold[c] == 0 -> hold[c] = TTL
  :: else -> skip
  fi;
#endif
  if
  :: hold[c] > 0 -> hold[c] = TTL
  :: else -> skip
  fi
}

/* ---- the network: what is on its way arrives late, in any order, or not at all ---- */

/* Of those in the queue, who is dead may not hear of a grant, nor may who has no connection just now. src: settle.lua: reach */
inline hear(c) {
  if
  :: queued[c] && phase[c] == DEAD -> deaf[c] = 1
  :: queued[c] && phase[c] != DEAD && trouble -> deaf[c] = 1; costs
  :: true -> skip
  fi
}
#if N == 2
#define listen hear(0); hear(1)
#define deafen deaf[0] = 0; deaf[1] = 0
#else
#define listen hear(0); hear(1); hear(2)
#define deafen deaf[0] = 0; deaf[1] = 0; deaf[2] = 0
#endif

inline arrive(c) {
  up[c] = 0;
  if
  :: call[c] == ACQUIRE ->
    acquire(c);
    if
    :: hold[c] > 0 -> down[c] = GRANTED; carries(c, granted[c])
    :: else -> down[c] = DENIED; newer[c] = (told[c] != 0 && phase[c] == ASKS); carries(c, last)
    fi
  :: call[c] == RENEW -> renew(c); down[c] = (hold[c] > 0 -> RENEWED : OVER)
  :: call[c] == RELEASE -> release(c); down[c] = LEFT; early[c] = (until[c] > 0)
  fi;
  deafen
}

proctype Network(byte c) {
  do
  :: atomic { up[c] -> listen; d_step { arrive(c) } }
  :: atomic { lateA[c] -> listen; d_step { lateA[c] = 0; acquire(c); deafen } }
  :: d_step { lateN[c] -> lateN[c] = 0; renew(c) }
  :: atomic { lateR[c] -> listen; d_step { lateR[c] = 0; release(c); deafen } }
  :: d_step { lateN[c] -> lateN[c] = 0 } /* the others are lost when they are too late */
#ifdef LIVE
  :: d_step { up[c] && trouble -> up[c] = 0; costs }
  :: d_step { down[c] != NONE && trouble -> down[c] = NONE; newer[c] = 0; costs }
  :: d_step { told[c] != 0 -> told[c] = 0; old[c] = 0 }
#endif
  od
}

/* ---- the clients ---- */

inline send(c, command) {
  call[c] = command; up[c] = 1; age[c] = 0
}

inline answered(c) {
  call[c] = NONE; age[c] = 0; down[c] = NONE; newer[c] = 0; carries(c, 0)
}

/* The outcome is unknown: it may take effect until its not-after. src: connection.ts: unknown */
inline unknown(c) {
  if
  :: up[c] && call[c] == ACQUIRE -> lateA[c] = 1
  :: up[c] && call[c] == RENEW -> lateN[c] = 1
  :: up[c] && call[c] == RELEASE -> lateR[c] = 1
  :: else -> skip
  fi;
  if
  :: call[c] != RENEW && until[c] + age[c] < CT -> until[c] = CT - age[c]
  :: else -> skip
  fi;
  up[c] = 0; early[c] = 0;
  answered(c)
}

/* It waits no longer: it will not come back to its place, and messages mean nothing to it. */
inline hopes_no_more(c) {
  waited[c] = 0; told[c] = 0; old[c] = 0; newer[c] = 0;
  if
  :: !queued[c] -> forget(c)
  :: else -> skip
  fi
}

/* Two that exclude each other never believe at once. src: session.ts: grant */
inline believe(c, by, ticks) {
  phase[c] = HOLDS; left[c] = ticks; holds_by(c, by);
  hopes_no_more(c);
#ifndef FAULTS
  used = 0; i = 0;
  do
  :: i < N ->
    if
    :: i != c && phase[i] == HOLDS && left[i] > 0 -> assert(SHARED(i) && SHARED(c)); used++
    :: else -> skip
    fi;
    i++
  :: else -> break
  od;
  assert(used < LIMIT);
  used = 0; i = 0
#endif
}

/* A grant in a message, counted from the sending of the last answered attempt. src: acquisition.ts: handOff */
inline handed(c) {
  if
  :: PASSED(c) -> skip /* an old grant, which it no longer had when it was denied */
  :: else ->
    if
    :: left[c] > 0 ->
      if
      :: call[c] != NONE -> unknown(c)
      :: else -> skip
      fi;
      believe(c, told[c], left[c])
    :: else -> skip
    fi
  fi;
  told[c] = 0; old[c] = 0
}

#define OPEN (phase[c] != IDLE && phase[c] != DEAD)
#ifdef LIVE
#define may_leave (c == 0)
#define may_die (c == N - 1 && deaths > 0)
#define LATE (age[c] >= CT)
#define ends skip
#else
#define may_leave true
#define may_die trouble
#define LATE trouble
#define ends costs
#endif

proctype Client(byte c) {
  do
  /* Also the next subscription of the same owner. src: sessions.ts: open, session.ts: ending */
  :: d_step { phase[c] == IDLE && may_act(c) ->
      phase[c] = ASKS; lateN[c] = 0; holds_by(c, 0);
#ifdef FAULTS
      denied[c] = 0;
#endif
      send(c, ACQUIRE); acts(c) }

  /* src: acquisition.ts: answered */
  :: d_step { phase[c] == ASKS && down[c] == GRANTED ->
      if
      :: age[c] + DRIFT < TTL -> believe(c, CARRIED(c), TTL - DRIFT - age[c]); answered(c)
      :: else -> answered(c); left[c] = 0; phase[c] = UNDOES; send(c, RELEASE)
      fi }
  :: d_step { phase[c] == ASKS && down[c] == DENIED ->
      waited[c] = 1;
#ifdef FAULTS
      denied[c] = carried[c];
#else
      old[c] = newer[c];
#endif
      phase[c] = WAITS;
      left[c] = (age[c] + DRIFT < HANDED -> HANDED - DRIFT - age[c] : 0);
      answered(c) }

#ifndef NO_HEARTBEAT
  /* The heartbeat, or earlier. src: pace.ts: afterDenial */
  :: d_step { phase[c] == WAITS && may_act(c) -> phase[c] = ASKS; send(c, ACQUIRE); acts(c) }
#endif

  /* src: pace.ts: afterFailure */
  :: d_step { phase[c] == ASKS && call[c] == ACQUIRE && LATE -> ends; unknown(c); phase[c] = WAITS }

  /* src: acquisition.ts: undo */
  :: d_step { phase[c] == UNDOES && down[c] == LEFT -> answered(c); early[c] = 0; phase[c] = WAITS }
  :: d_step { phase[c] == UNDOES && call[c] == RELEASE && LATE -> ends; unknown(c) }
  :: d_step { phase[c] == UNDOES && call[c] == NONE && (HASTE || until[c] == 0) -> phase[c] = WAITS }

  /* src: acquisition.ts: handOff */
  :: d_step { HOPES(c) && told[c] != 0 -> handed(c) }

  /* src: renewal.ts: send */
  :: d_step { phase[c] == HOLDS && left[c] > 0 && call[c] == NONE && may_renew -> send(c, RENEW); wears }
  :: d_step { phase[c] == HOLDS && down[c] == RENEWED ->
      if
      :: left[c] > 0 ->
        if
        :: TTL > left[c] + DRIFT + age[c] -> left[c] = TTL - DRIFT - age[c]
        :: else -> skip
        fi;
        answered(c)
      :: else -> answered(c); phase[c] = LEAVES; left[c] = 0
      fi }
  :: d_step { phase[c] == HOLDS && down[c] == OVER -> answered(c); phase[c] = LEAVES; left[c] = 0 }
  :: d_step { phase[c] == HOLDS && call[c] == RENEW && LATE -> ends; unknown(c) }

  /* It leaves at any time, or finds its lease lapsed. src: session.ts: end */
  :: d_step { phase[c] == HOLDS ->
      if
      :: call[c] == RENEW -> unknown(c)
      :: else -> skip
      fi;
      phase[c] = LEAVES; left[c] = 0 }
  :: d_step { HOPES(c) && may_leave -> phase[c] = LEAVES; left[c] = 0; hopes_no_more(c) }

  /* Once no attempt is on its way, until it is acknowledged and nothing can land behind it. src: departure.ts: clear, cancel.ts: cancel */
  :: d_step { phase[c] == LEAVES && down[c] != NONE && down[c] != LEFT -> answered(c) }
  :: d_step { phase[c] == LEAVES && call[c] != NONE && LATE -> ends; unknown(c) }
  :: d_step { phase[c] == LEAVES && call[c] == NONE -> send(c, RELEASE) }
  :: d_step { phase[c] == LEAVES && down[c] == LEFT ->
      answered(c);
      if
      :: ONCE || !early[c] ->
        phase[c] = IDLE; rests
      :: else -> phase[c] = CLEARS
      fi;
      early[c] = 0 }
  :: d_step { phase[c] == CLEARS && until[c] == 0 -> phase[c] = LEAVES; send(c, RELEASE) }

  /* A process that dies believes nothing; what it has sent still arrives. */
  :: d_step { OPEN && may_die ->
      unknown(c); phase[c] = DEAD; left[c] = 0; hopes_no_more(c); dies }
#ifndef LIVE
  /* Another process, in the place of one of whom nothing is left. */
  :: d_step { phase[c] == DEAD && until[c] == 0 && !lateN[c] && told[c] == 0 && !queued[c] && hold[c] == 0 ->
      phase[c] = IDLE }
#endif
#ifdef FAULTS
  /* Who once held writes at any time, also when it was stopped meanwhile. What is accepted comes in the order of grants. */
  :: d_step { lease[c] != 0 && phase[c] != DEAD && token[lease[c]] >= highest ->
      assert(lease[c] >= writer);
      highest = token[lease[c]]; writer = lease[c] }
#endif
  od
}

/* ---- time ---- */

#ifdef LIVE
#define due_first(c) (up[c] || down[c] != NONE || told[c] != 0 || lateA[c] || lateN[c] || lateR[c] \
  || (phase[c] == WAITS && !acted[c]) || (phase[c] == HOLDS && left[c] <= 1) || (phase[c] == LEAVES && call[c] == NONE) \
  || (phase[c] != DEAD && call[c] != NONE && age[c] >= CT))
#else
#define due_first(c) false
#endif

inline passes(c) {
  if :: call[c] != NONE && age[c] < MOST -> age[c]++ :: else -> skip fi;
  if :: left[c] > 0 -> left[c]-- :: else -> skip fi;
  if :: due[c] > 0 -> due[c]-- :: else -> skip fi;
  if :: hold[c] > 0 -> hold[c]-- :: else -> skip fi;
  if :: until[c] > 0 -> until[c]-- :: else -> skip fi;
#ifndef FAULTS
  /* What comes now, comes after its not-after, and has no effect. src: acquire.lua: not-after */
  if
  :: up[c] && age[c] >= CT && (call[c] == ACQUIRE && !KEEP_ACQUIRE || call[c] == RELEASE && !KEEP_RELEASE) -> up[c] = 0
  :: else -> skip
  fi;
  if
  :: until[c] == 0 -> lateA[c] = lateA[c] && KEEP_ACQUIRE; lateR[c] = lateR[c] && KEEP_RELEASE
  :: else -> skip
  fi;
  assert(phase[c] != HOLDS || left[c] == 0 || hold[c] > 0); /* nobody believes longer than the server keeps */
#endif
#ifdef LIVE
  acted[c] = 0
#endif
}

#if N == 2
#define nothing_due (!due_first(0) && !due_first(1))
#define passes_for_all passes(0); passes(1)
#else
#define nothing_due (!due_first(0) && !due_first(1) && !due_first(2))
#define passes_for_all passes(0); passes(1); passes(2)
#endif

#ifndef FAULTS
proctype Clock() {
  do
  :: d_step { nothing_due -> passes_for_all }
  od
}
#else
/* No time passes: whatever can lapse does at any time, and nobody believes less for that. */
proctype Clock() {
  byte c;
  do
  :: d_step { end(0) }
  :: d_step { end(1) }
  :: d_step { due[0] = 0 }
  :: d_step { due[1] = 0 }
  /* The server is back without its data. Its clock is ahead of all tokens. */
  :: d_step { !behind ->
      c = 0;
      do
      :: c < N -> end(c); queued[c] = 0; due[c] = 0; order[c] = 0; c++
      :: else -> break
      od;
      length = 0; last = 0; c = 0 }
  /* Its clock steps back while it knows the last token. */
  :: d_step { !behind && last == token[count] -> behind = 1 }
  od
}
#endif

init {
  atomic {
    run Clock();
    run Client(0); run Network(0);
    run Client(1); run Network(1);
#if N > 2
    run Client(2); run Network(2)
#endif
  }
}

#ifdef LIVE
ltl served { [] (phase[1] == ASKS -> <> (phase[1] == HOLDS)) }
#endif
