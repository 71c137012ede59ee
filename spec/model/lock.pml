/*
 * The queue, the hand-off and the life of a lease on one server, as a model that spin searches exhaustively within its
 * bounds. README.md tells in plain English what is modelled, what is not, and what each variant and each mutant shows.
 *
 * A transition is tied to what it models, a function or a verb of a script, or a method of a class: its name stands after
 * the word src. model.spec.ts checks that these exist.
 *
 * Bounds: N clients, each one owner who comes back for ever. Per client, on their way: one command that it waits for, one
 * late command of each kind, one answer, one message. LUCK troubles (commands of unknown outcome, clients that die, grants
 * that nobody hears, scripts that fail half-way). K grants where FAULTS, no bound elsewhere.
 * Time passes in ticks: TTL of a lease, WTTL of a waiter, CT of a command; clocks agree but for DRIFT. What is on its way
 * is late for any time, and a command is lost by being too late. All lock exclusively but READERS of them, who share LIMIT
 * permits.
 *
 * Fences: where FAULTS, the numbers that the clock draws. Elsewhere only two things are asked of a fence: whether it is
 * that of the present lease, so PRESENT and PAST stand for all of them; and whether a message is older than a denial,
 * which `old` tells.
 *
 * Variants, by -D: FAULTS, LIVE, TERMS and GIVEN; and the mutants, which check.ts lists.
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
#ifndef READERS
#define READERS 0
#endif
#define SHARED(c) (c < READERS)
#define DRIFT 1
#ifndef LONG
#define LONG TTL /* what a renewal may give instead */
#endif
#ifndef HASTE
#define HASTE false
#endif
#ifndef ONCE
#define ONCE false
#endif
#ifndef FENCED
#define FENCED false
#endif
#ifndef KEEP_ACQUIRE
#define KEEP_ACQUIRE 0
#endif
#ifndef KEEP_RENEWAL
#define KEEP_RENEWAL 0
#endif
#ifndef KEEP_RELEASE
#define KEEP_RELEASE 0
#endif
#ifndef KEEP_CANCEL
#define KEEP_CANCEL 0
#endif
#define HANDED (TTL < WTTL -> TTL : WTTL)
#define MOST (LONG > CT -> LONG : CT)

/* What a client does: CLEARS has cancelled, and does so once more when nothing of unknown outcome can land behind that. */
#define IDLE 0
#define ASKS 1
#define WAITS 2
#define UNDOES 3
#define HOLDS 4
#define LEAVES 5
#define CLEARS 6
#define DEAD 7
#define DETACHED 8 /* has let go without giving back, and is over when no renewal of it can land any more */
#define HOPES(c) (phase[c] == ASKS || phase[c] == WAITS || phase[c] == UNDOES)

/* Commands and answers. */
#define NONE 0
#define ACQUIRE 1
#define RENEW 2
#define RELEASE 3 /* by owner and fence */
#define CANCEL 4  /* by owner alone, where the outcome of an acquire is unknown, or no fence was told */
#define STALE_RELEASE 5 /* of a process that was stopped, has lost its lease, and goes on */
#define GRANTED 1
#define DENIED 2
#define RENEWED 3
#define OVER 4
#define LEFT 5
#define FAILED 6 /* half-way: of unknown outcome */

byte phase[N];
byte call[N];  /* the command whose answer it waits for */
bit up[N];     /* and whether that is still on its way to the server */
byte age[N];   /* ticks since it was sent */
byte down[N];  /* the answer on its way */
byte told[N];  /* the fence of the grant in a message on its way; 0 for none */
bit old[N];    /* which was made before the last denial */
bit early[N];  /* the cancel that is answered was done before the not-after of all else */
bit newer[N];  /* the denial on its way was made after it */
byte carried[N]; /* the fence, or the clock, that the answer on its way tells */
byte lease[N]; /* the fence of the lease that a client has, or has had */
bit lateA[N], lateN[N], lateR[N], lateC[N]; /* commands of unknown outcome, still on their way; N and R name a fence */
byte until[N]; /* ticks until the not-after of those, renewals apart */
bit doubt[N];  /* an acquire or a cancel of this session is among them, or has been */
byte left[N];  /* ticks for which a lease is believed, or would be if it were handed over now */
bit waited[N]; /* it was denied, so it knows its ticket */
#ifdef TERMS
bit longer[N];   /* the renewal that is under way gives LONG */
bit capped[N]; /* and was sent before the not-after of one that gives TTL, and of unknown outcome */
byte cap[N]; /* ticks until that not-after */
#endif
#ifdef RELEASES_AFTER_LOSS
byte ghost[N]; /* the fence by which a process that was stopped believes to hold: another goes on under its owner */
#endif

/* The server. Of a name that nobody holds or waits for it remembers nothing. */
byte hold[N];  /* ticks until the lease lapses; 0 for none */
byte granted[N]; /* its fence */
byte due[N];   /* ticks until a waiter lapses */
bit queued[N];
byte order[N]; /* owners by ticket, those who have lapsed and know their ticket among them */
byte length;

#ifdef FAULTS
byte last;     /* the clock: the highest number ever drawn */
byte count;    /* grants so far; here a grant is known by its number */
byte fence[K + 1]; /* of each grant */
byte denied[N]; /* the clock, as a denial told it last */
byte highest, writer; /* of a fenced register: the fence, and the grant by which it was written last */
bit behind;    /* the server's time has stepped back */
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
/* max(clock + 1, the time), which is ahead of all fences unless it has stepped back. */
#if defined(NO_RISE)
#define RISE (last > 0 -> last : 1)
#elif defined(NO_CLOCK)
#define RISE (last + 1)
#else
#define RISE (behind || last + 1 > count -> last + 1 : count)
#endif
#define EXHAUSTED (count == K)
#define PASSED(c) (waited[c] && fence[told[c]] <= denied[c])
#else
#define EXHAUSTED false
#ifdef OLD_GRANTS
#define PASSED(c) false
#else
#define PASSED(c) old[c]
#endif
#endif

/* ---- the scripts ---- */

#if N == 1
#define queue_is_empty (!queued[0])
#elif N == 2
#define queue_is_empty (!queued[0] && !queued[1])
#else
#define queue_is_empty (!queued[0] && !queued[1] && !queued[2])
#endif

byte at, used, i, o, q; /* of the scripts: one runs at a time */
bit alone, ok, failed;
byte doing;    /* the command that arrives */
bit awaited;   /* and whether a client waits for the answer */
byte about;    /* the fence that it names */
byte self;     /* who asks, if one does */
bit settles;   /* and whether the queue moves, behind what it does */
bit deaf[N]; /* whose coordinator does not hear of a grant just now */
bit refused; /* the write that makes the next waiter a holder: the script ends there, and what it wrote stays */

/* src: queue.lua: fits */
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

#define PRESENT 1
#define PAST 2
#define PASSES(fence) (fence == PRESENT -> PAST : fence)

/* A lease ends. What names its fence does nothing from now on, for no fence is drawn twice: it need not be kept. */
inline end(c) {
  hold[c] = 0; granted[c] = 0;
#ifndef FAULTS
  lease[c] = PASSES(lease[c]); carried[c] = PASSES(carried[c]); told[c] = PASSES(told[c]);
#ifdef RELEASES_AFTER_LOSS
  ghost[c] = PASSES(ghost[c]);
#endif
#endif
#if !defined(RENEWS_BY_OWNER) && !defined(RECREATES)
  lateN[c] = 0;
#endif
#ifndef RELEASES_BY_OWNER
  lateR[c] = 0
#endif
}

inline unqueue(c) {
  queued[c] = 0; due[c] = 0;
  if
  :: !waited[c] -> forget(c)
  :: else -> skip
  fi
}

/* Who was told that all of him has left is never back: of what he sent before, nothing is granted or queued. */
#if defined(FAULTS) || defined(GIVEN)
#define stays_away(c) skip
#define nothing_left(c) skip
#else
#define stays_away(c) assert(phase[c] != IDLE)
#define nothing_left(c) assert(hold[c] == 0 && due[c] == 0 && !lateA[c] && !lateC[c])
#endif

/* With a fence that is higher than all numbers before it. src: queue.lua: grant, clock.lua: draw */
inline grant(c, ticks) {
  stays_away(c);
#ifdef FAULTS
  count++;
  fence[count] = RISE;
  last = fence[count];
  granted[c] = count;
#else
  granted[c] = PRESENT;
#endif
  hold[c] = ticks
}

/* src: queue.lua: planHandOff, listen.lua: publish */
inline tell(c) {
  if
  :: HOPES(c) -> told[c] = granted[c]; old[c] = 0; newer[c] = 0
  :: else -> skip
  fi
}

/* A waiter that has died goes when it comes to the head. Where a write is refused, what comes behind it is neither written
   nor told. src: settle.lua: settle, queue.lua: waiterOf, commit.lua: commit */
inline settle() {
  at = 0;
  do
  :: at < length ->
    q = order[at];
    if
    :: queued[q] && due[q] == 0 && q != self ->
      if
      :: waited[q] -> at++
      :: else -> skip /* it is out of the list */
      fi;
      unqueue(q)
    :: queued[q] && (due[q] > 0 || q == self) ->
      fits(q);
      if
      :: !ok -> break
      :: else ->
        if
        :: q == self || !deaf[q] ->
          if
          :: refused -> /* the lock is written, and nothing behind that */
            refused = 0; failed = 1;
#ifdef TELLS_FIRST
            unqueue(q); grant(q, 0); tell(q); end(q);
#else
            if
            :: q == self -> grant(q, TTL)
            :: else -> grant(q, HANDED)
            fi;
#endif
            break
          :: else -> skip
          fi;
          queued[q] = 0; due[q] = 0;
          if
          :: waited[q] -> at++ /* should the grant lapse unheard, it comes back where it stood */
          :: else -> forget(q)
          fi;
          if
          :: q == self -> grant(q, TTL)
          :: else -> grant(q, HANDED); tell(q)
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

/* src: fast.lua: acquire, join.lua: joins, acquire.lua: acquire, acquire.lua: renewOwn */
inline acquire(c) {
  fits(c);
  if
  :: hold[c] > 0 ->
    hold[c] = TTL; /* asking is idempotent */
#ifndef KEEPS_PLACE
    if
    :: queued[c] -> unqueue(c) /* the script that made it the holder has failed behind that */
    :: else -> skip
    fi
#endif
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
    due[c] = WTTL; settles = 1
  fi;
  ok = 0
}

#ifdef RELEASES_BY_OWNER
#define IS_OF(c, what) true
#else
#define IS_OF(c, what) (granted[c] == what)
#endif

/* By owner; a release by its holder names the fence as well, and a stale one does nothing.
   src: fast.lua: release, pass.lua: release, passon.lua: release, release.lua: release */
inline release(c) {
  if
  :: doing == CANCEL || hold[c] > 0 && IS_OF(c, about) ->
#ifdef NO_COMPARE
    q = 0;
    do
    :: q < N -> end(q); q++
    :: else -> break
    od;
    q = 0;
#endif
    if
    :: queued[c] -> unqueue(c)
    :: else -> skip
    fi;
    end(c); settles = 1
  :: else -> skip
  fi
}

#ifdef RENEWS_BY_OWNER
#define KEEPS(c) (hold[c] > 0)
#else
#define KEEPS(c) (hold[c] > 0 && granted[c] == lease[c])
#endif

/* By owner and fence. src: renew.lua: renew */
inline renew(c, length) {
#ifdef RECREATES
  if
  :: hold[c] == 0 -> grant(c, length)
  :: else -> skip
  fi;
#endif
  if
  :: hold[c] > 0 -> hold[c] = length
  :: else -> skip
  fi
}
#ifdef TERMS
#define GIVES(c) (longer[c] -> LONG : TTL)
#else
#define GIVES(c) TTL
#endif

/* ---- the network: what is on its way arrives late, in any order, or not at all ---- */

/* A waiter that has died may not hear of a grant, nor may one without a connection just now. src: listen.lua: tellingOf */
inline hear(c) {
  if
  :: queued[c] && phase[c] == DEAD -> deaf[c] = 1
  :: queued[c] && phase[c] != DEAD && trouble -> deaf[c] = 1; costs
  :: true -> skip
  fi
}
#ifdef LIVE
#define may_refuse false
#else
#define may_refuse (trouble && !queue_is_empty)
#endif
#if N == 1
#define hear_all hear(0)
#define deafen deaf[0] = 0; refused = 0; failed = 0
#elif N == 2
#define hear_all hear(0); hear(1)
#define deafen deaf[0] = 0; deaf[1] = 0; refused = 0; failed = 0
#else
#define hear_all hear(0); hear(1); hear(2)
#define deafen deaf[0] = 0; deaf[1] = 0; deaf[2] = 0; refused = 0; failed = 0
#endif
/* And a write may be refused: by a slot that moves, a right that is taken away, a memory that is full. */
inline listen() {
  hear_all;
  if
  :: may_refuse -> refused = 1; costs
  :: true -> skip
  fi
}

/* A script runs. */
inline arrive(c) {
  if
  :: doing == ACQUIRE -> acquire(c)
  :: else -> release(c)
  fi;
  if
  :: settles -> self = (doing == ACQUIRE -> c : N); settle()
  :: else -> skip
  fi;
  if
  :: failed && awaited -> down[c] = FAILED
  :: !failed && awaited && doing == ACQUIRE && hold[c] > 0 -> down[c] = GRANTED; carried[c] = granted[c]
  :: !failed && awaited && doing == ACQUIRE && hold[c] == 0 ->
    down[c] = DENIED; newer[c] = (told[c] != 0 && phase[c] == ASKS);
#ifdef FAULTS
    carried[c] = last
#endif
  :: !failed && awaited && doing != ACQUIRE -> down[c] = LEFT; early[c] = (doing == CANCEL && until[c] > 0)
  :: else -> skip
  fi;
  doing = 0; awaited = 0; about = 0; settles = 0; self = 0;
  deafen
}

proctype Network(byte c) {
  do
  :: atomic {
      if
      :: up[c] && call[c] != RENEW -> doing = call[c]; about = lease[c]; awaited = 1; up[c] = 0
      :: lateA[c] -> doing = ACQUIRE; lateA[c] = 0
      :: lateR[c] -> doing = RELEASE; about = granted[c]; lateR[c] = 0
      :: lateC[c] -> doing = CANCEL; lateC[c] = 0
#ifdef RELEASES_AFTER_LOSS
      :: ghost[c] != 0 -> doing = STALE_RELEASE; about = ghost[c]; ghost[c] = 0
#endif
      fi;
      listen();
      d_step { arrive(c) } }
  :: d_step { up[c] && call[c] == RENEW ->
      up[c] = 0;
#ifndef RECREATES
      if
      :: KEEPS(c) -> renew(c, GIVES(c)); down[c] = RENEWED
      :: else -> down[c] = OVER
      fi
#else
      renew(c, GIVES(c)); down[c] = RENEWED
#endif
    }
  :: d_step { lateN[c] -> lateN[c] = 0; renew(c, TTL) }
  :: d_step { lateN[c] -> lateN[c] = 0 } /* the others are lost when they are too late */
#ifdef LIVE
  :: d_step { up[c] && trouble -> up[c] = 0; costs }
  :: d_step { down[c] != NONE && trouble -> down[c] = NONE; carried[c] = 0; newer[c] = 0; costs }
  :: d_step { told[c] != 0 -> told[c] = 0; old[c] = 0 }
#endif
  od
}

/* ---- the clients ---- */

inline send(c, command) {
  call[c] = command; up[c] = 1; age[c] = 0
}

inline answered(c) {
  call[c] = NONE; age[c] = 0; down[c] = NONE; newer[c] = 0; carried[c] = 0
#ifdef TERMS
  ; longer[c] = 0; capped[c] = 0
#endif
}

/* The outcome is unknown: it may take effect until its not-after. src: sender.ts: endUnknown */
inline unknown(c) {
  if
  :: up[c] && call[c] == ACQUIRE -> lateA[c] = 1
#ifdef TERMS
  :: up[c] && call[c] == RENEW && longer[c] -> skip /* late, it could only lengthen */
  :: up[c] && call[c] == RENEW && !longer[c] && KEEPS(c) -> lateN[c] = 1
#else
  :: up[c] && call[c] == RENEW && KEEPS(c) -> lateN[c] = 1
#endif
  :: up[c] && call[c] == RELEASE && hold[c] > 0 && IS_OF(c, lease[c]) -> lateR[c] = 1
  :: up[c] && call[c] == CANCEL -> lateC[c] = 1
  :: else -> skip
  fi;
  if
  :: call[c] != RENEW && until[c] + age[c] < CT -> until[c] = CT - age[c]
#ifdef TERMS
  :: call[c] == RENEW && !longer[c] && cap[c] + age[c] < CT -> cap[c] = CT - age[c]
#endif
  :: else -> skip
  fi;
  if
  :: call[c] == ACQUIRE || call[c] == CANCEL -> doubt[c] = 1
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
  phase[c] = HOLDS; left[c] = ticks; lease[c] = by;
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
#ifdef HANDED_AFRESH
    :: true -> left[c] = HANDED - DRIFT;
#else
    :: left[c] > 0 ->
#endif
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

#ifdef TERMS
#ifdef NO_BOUND
#define BELIEVES(c) GIVES(c)
#elif defined(BOUND_AT_THE_ANSWER)
#define BELIEVES(c) (until[c] > 0 || cap[c] > 0 -> TTL : GIVES(c))
#else
#define BELIEVES(c) (capped[c] -> TTL : GIVES(c))
#endif
#else
#define BELIEVES(c) TTL
#endif
#if defined(TERMS) && !defined(LETS_GO_AT_ONCE)
#define LANDED(c) (until[c] == 0 && cap[c] == 0)
#else
#define LANDED(c) true
#endif
#ifdef GIVEN
#define MAY_RELEASE(c) (left[c] > 0)
#else
#define MAY_RELEASE(c) true
#endif

#define OPEN (phase[c] != IDLE && phase[c] != DEAD)
#ifdef LIVE
#define may_leave (c == 0)
#define may_die (c == N - 1 && deaths > 0)
#define LATE (age[c] >= CT)
#define ends skip
#else
#define may_leave true
#define may_die trouble
#define LATE (down[c] == FAILED || trouble)
#define ends if :: down[c] == FAILED -> skip :: else -> costs fi
#endif

/* The session is over: nothing of it is at the server, or nothing that could do harm. */
inline over(c) {
  phase[c] = IDLE; left[c] = 0; doubt[c] = 0;
#ifndef FAULTS
  lease[c] = 0;
#endif
#ifdef TERMS
  cap[c] = 0
#endif
}

/* What was lost is given back. But not under an owner that was given: another process may hold by it since.
   src: session.ts: lose */
inline lose(c) {
  answered(c); left[c] = 0;
#ifdef GIVEN
#ifdef RELEASES_AFTER_LOSS
  ghost[c] = lease[c];
#endif
  phase[c] = DETACHED
#else
  phase[c] = LEAVES
#endif
}

proctype Client(byte c) {
  do
  /* Also the next subscription of the same owner. src: sessions.ts: attach */
  :: d_step { phase[c] == IDLE && may_act(c) ->
      phase[c] = ASKS; lease[c] = 0;
#ifdef FAULTS
      denied[c] = 0;
#endif
      send(c, ACQUIRE); acts(c) }

  /* src: acquisition.ts: answered */
  :: d_step { phase[c] == ASKS && down[c] == GRANTED ->
      if
      :: age[c] + DRIFT < TTL -> believe(c, carried[c], TTL - DRIFT - age[c]); answered(c)
      :: else -> answered(c); left[c] = 0; phase[c] = UNDOES; send(c, CANCEL)
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

  /* It asks again when the cancel can land no more. src: acquisition.ts: cancelLate */
  :: d_step { phase[c] == UNDOES && down[c] == LEFT -> answered(c); early[c] = 0; phase[c] = WAITS }
  :: d_step { phase[c] == UNDOES && call[c] == CANCEL && LATE -> ends; unknown(c) }
  :: d_step { phase[c] == UNDOES && call[c] == NONE && (HASTE || until[c] == 0) -> phase[c] = WAITS }

  /* src: acquisition.ts: handOff */
  :: d_step { HOPES(c) && told[c] != 0 -> handed(c) }

  /* One at a time. src: holding.ts: send */
  :: d_step { phase[c] == HOLDS && left[c] > 0 && call[c] == NONE && may_renew ->
      send(c, RENEW); wears;
#ifdef TERMS
      capped[c] = (until[c] > 0 || cap[c] > 0);
      if
      :: left[c] > TTL - DRIFT -> left[c] = TTL - DRIFT /* it may shorten what is left */
      :: else -> skip
      fi
#endif
    }
#ifdef TERMS
  :: d_step { phase[c] == HOLDS && left[c] > 0 && call[c] == NONE ->
      send(c, RENEW); longer[c] = 1; capped[c] = (until[c] > 0 || cap[c] > 0) }
#ifdef TWO_AT_ONCE
  :: d_step { phase[c] == HOLDS && left[c] > 0 && call[c] == RENEW && !longer[c] && up[c] ->
      lateN[c] = KEEPS(c); send(c, RENEW); longer[c] = 1 }
#endif
#endif
  /* src: holding.ts: renewed */
  :: d_step { phase[c] == HOLDS && down[c] == RENEWED ->
      if
      :: left[c] > 0 ->
        if
        :: BELIEVES(c) > left[c] + DRIFT + age[c] -> left[c] = BELIEVES(c) - DRIFT - age[c]
        :: else -> skip
        fi;
        answered(c)
      :: else -> lose(c)
      fi }
  :: d_step { phase[c] == HOLDS && down[c] == OVER -> lose(c) }
  :: d_step { phase[c] == HOLDS && call[c] == RENEW && LATE -> ends; unknown(c) }

  /* It leaves at any time. src: session.ts: end */
  :: d_step { phase[c] == HOLDS && MAY_RELEASE(c) ->
      if
      :: call[c] == RENEW -> unknown(c)
      :: else -> skip
      fi;
      phase[c] = LEAVES; left[c] = 0 }
#ifdef GIVEN
  /* Its lease has lapsed, or it was detached. */
  :: d_step { phase[c] == HOLDS ->
      if
      :: call[c] == RENEW -> unknown(c)
      :: else -> skip
      fi;
      if
      :: left[c] > 0 -> left[c] = 0; phase[c] = DETACHED
      :: else -> lose(c)
      fi }
  /* src: holding.ts: nothingInDoubt */
  :: d_step { phase[c] == DETACHED && LANDED(c) -> over(c) }
#endif
  :: d_step { HOPES(c) && may_leave ->
      phase[c] = LEAVES; left[c] = 0; hopes_no_more(c) }

  /* Once no attempt is on its way, until it is acknowledged and nothing can land behind it. src: departure.ts: release,
     cancel.ts: cancel */
  :: d_step { phase[c] == LEAVES && down[c] != NONE && down[c] != LEFT && down[c] != FAILED -> answered(c) }
  :: d_step { phase[c] == LEAVES && call[c] != NONE && LATE -> ends; unknown(c) }
  :: d_step { phase[c] == LEAVES && call[c] == NONE ->
      if
      :: lease[c] != 0 && (FENCED || !doubt[c]) -> send(c, RELEASE)
      :: else -> send(c, CANCEL)
      fi }
  :: d_step { phase[c] == LEAVES && down[c] == LEFT ->
      answered(c);
      if
      :: ONCE || !early[c] -> nothing_left(c); until[c] = 0; over(c); rests
      :: else -> phase[c] = CLEARS
      fi;
      early[c] = 0 }
#ifdef BEGINS_AT_ONCE
  :: d_step { phase[c] == LEAVES && call[c] == NONE && until[c] > 0 -> over(c) }
#endif
  :: d_step { phase[c] == CLEARS && until[c] == 0 -> phase[c] = LEAVES; send(c, CANCEL) }

  /* A process that dies believes nothing; what it has sent still arrives. */
  :: d_step { OPEN && may_die ->
      unknown(c); phase[c] = DEAD; left[c] = 0; lease[c] = 0; doubt[c] = 0; hopes_no_more(c); dies }
#ifdef GIVEN
  /* Another process under the same owner: at once, unless a release of the one that died may land yet. */
  :: d_step { phase[c] == DEAD && (until[c] == 0 || !lateR[c] && !lateC[c]) && LANDED(c) -> over(c) }
#endif
#ifndef LIVE
  /* Another process, in the place of one of whom nothing is left. */
  :: d_step { phase[c] == DEAD && until[c] == 0 && told[c] == 0 && !queued[c] && hold[c] == 0 -> over(c) }
#endif
#ifdef FAULTS
  /* Who once held writes at any time, also when it was stopped meanwhile. What is accepted comes in the order of grants. */
  :: d_step { lease[c] != 0 && phase[c] != DEAD && fence[lease[c]] >= highest ->
      assert(lease[c] >= writer);
      highest = fence[lease[c]]; writer = lease[c] }
#endif
  od
}

/* ---- time ---- */

#ifdef LIVE
#define due_first(c) (up[c] || down[c] != NONE || told[c] != 0 || lateA[c] || lateN[c] || lateR[c] || lateC[c] \
  || (phase[c] == WAITS && !acted[c]) || (phase[c] == HOLDS && left[c] <= 1) || (phase[c] == LEAVES && call[c] == NONE) \
  || (phase[c] != DEAD && call[c] != NONE && age[c] >= CT))
#else
#define due_first(c) false
#endif

inline passes(c) {
  if :: call[c] != NONE && age[c] < MOST -> age[c]++ :: else -> skip fi;
  if :: left[c] > 0 -> left[c]-- :: else -> skip fi;
  if :: due[c] > 0 -> due[c]-- :: else -> skip fi;
  if
  :: hold[c] > 1 -> hold[c]--
  :: hold[c] == 1 -> end(c)
  :: else -> skip
  fi;
  if :: until[c] > 0 -> until[c]-- :: else -> skip fi;
#ifdef TERMS
  if :: cap[c] > 0 -> cap[c]-- :: else -> skip fi;
  lateN[c] = lateN[c] && (cap[c] > 0 || KEEP_RENEWAL);
  if
  :: up[c] && age[c] >= CT && call[c] == RENEW && !KEEP_RENEWAL -> up[c] = 0
  :: else -> skip
  fi;
#endif
#ifndef FAULTS
  /* What comes now, comes after its not-after, and has no effect. src: acquire.lua: not-after,
     release.lua: not-after */
  if
  :: up[c] && age[c] >= CT && (call[c] == ACQUIRE && !KEEP_ACQUIRE || call[c] == RELEASE && !KEEP_RELEASE
      || call[c] == CANCEL && !KEEP_CANCEL) -> up[c] = 0
  :: else -> skip
  fi;
  if
  :: until[c] == 0 ->
    lateA[c] = lateA[c] && KEEP_ACQUIRE; lateR[c] = lateR[c] && KEEP_RELEASE; lateC[c] = lateC[c] && KEEP_CANCEL
  :: else -> skip
  fi;
  assert(phase[c] != HOLDS || left[c] == 0 || hold[c] > 0); /* nobody believes longer than the server keeps */
#endif
#ifdef LIVE
  acted[c] = 0
#endif
}

#if N == 1
#define nothing_due (!due_first(0))
#define passes_for_all passes(0)
#elif N == 2
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
  /* The server is back without its data. Its time is ahead of all fences. */
  :: d_step { !behind ->
      c = 0;
      do
      :: c < N -> end(c); queued[c] = 0; due[c] = 0; order[c] = 0; c++
      :: else -> break
      od;
      length = 0; last = 0; c = 0 }
  /* Its time steps back while it knows the clock, which lapses only when the time has passed it.
     src: clock.lua: keepClock */
  :: d_step { !behind && last == fence[count] -> behind = 1 }
#ifdef NO_LEAD
  :: d_step { last = 0 }
#else
  :: d_step { !behind -> last = 0 }
#endif
  od
}
#endif

init {
  atomic {
    run Clock();
    run Client(0); run Network(0);
#if N > 1
    run Client(1); run Network(1);
#endif
#if N > 2
    run Client(2); run Network(2)
#endif
  }
}

#ifdef LIVE
ltl served { [] (phase[1] == ASKS -> <> (phase[1] == HOLDS)) }
#endif
