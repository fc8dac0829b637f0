/*
 * The relay's lease protocol: two relays, one shard, one key. README.md says what each part stands for.
 *
 * Events are bits of a mask, the oldest the lowest. Durations are counted down by `tick`.
 */

#ifndef EVENTS
#define EVENTS 2
#endif
#define ALL ((1 << EVENTS) - 1)
#define ev(k) (1 << (k))
#define has(mask, k) ((mask) & ev(k))
/* The events older than k; all events but the f oldest. */
#define older(k) (ev(k) - 1)
#define above(f) (ALL & ~older(f))

/* A lease lasts 3 ticks in the database and 2 in the relay (the margin). A message may be delivered for 1 tick. */
#define RESERVE 3
#define LOCAL 2
#ifdef OUTLAST
#define DELIVERY RESERVE
#define outlasts(r) (lasting[r] > 0)
#else
#define DELIVERY 1
#define outlasts(r) (lasting[r] > DELIVERY)
#endif

/* The number of faults, of any kind and at any moment. Time passes when nothing is due; a pause (up to RESERVE ticks at
   once, whatever is due) is a fault too. */
#ifndef FAULTS
#define FAULTS 2
#endif
byte faults = FAULTS;
#define mayFail (faults > 0)
#define spend faults--

/* Owners: 1 and 2 are the relays as they run now, 3 and 4 the same relays before their crash. */
#define me(r) (r + 1)
#define dead(r) (r + 3)
#define NOBODY 0

/* Epochs are only compared for equality, a relay's with the database's and with its own. So three values are enough: the
   database's epoch (CURRENT), the epoch under which the relay holds the shard when it is another one (OLD), the rest. */
#define CURRENT 1
#define OLD 2
#define OLDER 3

/* The database. */
byte committed;          /* how many events have committed */
byte waiting;            /* WAIT */
byte done;               /* DONE */
byte owner, lease;

/* The topic. */
byte appeared;

/* A relay's memory: the shard, and its events by stage. */
byte held[2];            /* the epoch under which the shard is held; 0: not held */
byte lasting[2];           /* how long the lease still lasts in the relay */
byte floor[2];           /* reads skip this many of the oldest events */
bool leaving[2];
byte parkedFrom[2];      /* the key is parked from this event (counted from 1) on; 0: not parked */
byte ready[2];           /* waiting, ready or retrying */
byte publishing[2];
byte settled[2];
byte completing[2];
byte left[2];            /* completed while a read was under way */
byte quiet[2];           /* how long a purged message may still arrive */

/* Copies on their way to the topic, with the time they have left: in flight, abandoned by the relay, sent by a process
   that crashed; and the answers on their way back. */
byte awaited[2 * EVENTS];
byte forgotten[2 * EVENTS];
byte orphaned[2 * EVENTS];
byte answered[2];
#define at(r, k) (r * EVENTS + k)

/* The statements under way, at most one of each kind. */
#define IDLE 0
#define SENT 1
#define EXECUTED 2
#define REFUSED 3
mtype = { none, claim, renew, release };
mtype leaseKind[2] = none;
byte leaseState[2], leaseEpoch[2], leaseLocal[2];
byte readState[2], readEpoch[2], readFloor[2], readUpTo[2], readRows[2];
byte doneState[2], doneEpoch[2], doneRows[2];
#ifdef AHEAD
byte readEarlier[2];     /* the events that waited below the floor of the read */
#endif
#ifdef FAILOVER
byte lost[2];            /* the events in memory that a failover has lost, whose ids are drawn again */
#define forgetLost(r) lost[r] = 0
#define isLost(r, k) has(lost[r], k)
#else
#define forgetLost(r) skip
#define isLost(r, k) false
#endif

bool crashed[2];
bool isDown[2], leaseDue[2] = true, readDue[2];
#define wakeRead(r) readDue[r] = (held[r] != 0)
#define up(r) (!isDown[r])

/* The properties, named so that the checker's message names them. Cleared after use, so that they cost no states. */
byte first_appearances_in_order, published_by_no_zombie, done_only_when_on_the_topic;
byte done_only_by_the_owner, queue_in_id_order;
byte k;

/* --- Pieces of the relay --- */

inline endLease(r) {
  leaseState[r] = IDLE; leaseKind[r] = none; leaseEpoch[r] = 0; leaseLocal[r] = 0
}

/* The epoch a statement was sent under is no longer the relay's. */
#define outdate(variable) variable = (variable == OLD -> OLDER : variable)

/* The details of a read do not matter once its answer will be ignored. */
#define forgetRead(r) \
  if \
  :: readEpoch[r] == OLDER -> \
     readFloor[r] = 0; readUpTo[r] = 0; readRows[r] = 0; readState[r] = (readState[r] == SENT -> SENT : REFUSED) \
  :: else \
  fi

inline giveUpEpoch(r) {
  held[r] = 0; lasting[r] = 0; leaving[r] = false; readDue[r] = false;
  outdate(leaseEpoch[r]); outdate(readEpoch[r]); outdate(doneEpoch[r]);
  forgetRead(r)
}

/* A new epoch in the database: the former CURRENT is OLD or OLDER now. */
#define age(r, variable) variable = (variable == CURRENT -> (held[r] == CURRENT -> OLD : OLDER) : variable)

inline ageEpochs(r) {
  age(r, leaseEpoch[r]); age(r, readEpoch[r]); age(r, doneEpoch[r]);
  held[r] = (held[r] == CURRENT -> OLD : held[r]);
  forgetRead(r)
}

inline freshEpoch() {
  ageEpochs(0);
  ageEpochs(1)
}

/* The events of a shard leave memory; those in flight are on their way all the same. */
inline dropEvents(r) {
  k = 0;
  do
  :: k < EVENTS ->
     if
     :: awaited[at(r, k)] > forgotten[at(r, k)] && !isLost(r, k) -> forgotten[at(r, k)] = awaited[at(r, k)]
     :: else
     fi;
     awaited[at(r, k)] = 0;
     k++
  :: else -> break
  od;
  k = 0;
  ready[r] = 0; publishing[r] = 0; settled[r] = 0; completing[r] = 0; left[r] = 0; answered[r] = 0; parkedFrom[r] = 0;
  forgetLost(r)
}

inline lose(r) {
  dropEvents(r);
  giveUpEpoch(r);
#ifndef TAKEOVER_KEEPS_FLOOR
  floor[r] = 0;
#endif
  quiet[r] = DELIVERY
}

inline count(variable) {
  if
  :: variable > 0 -> variable--
  :: else
  fi
}

inline expire(r) {
  count(leaseLocal[r]);
  count(quiet[r]);
  if
  :: held[r] && lasting[r] > 1 -> lasting[r]--
  :: held[r] && lasting[r] <= 1 -> lose(r)
  :: else
  fi
}

inline tick() {
  count(lease);
#ifndef LATE
  k = 0;
  do
  :: k < 2 * EVENTS -> count(awaited[k]); count(forgotten[k]); count(orphaned[k]); k++
  :: else -> break
  od;
  k = 0;
#endif
  expire(0);
  expire(1);
  leaseDue[0] = true; leaseDue[1] = true; wakeRead(0); wakeRead(1)
}

/* The broker appends event e, sent by `sender`. */
inline append(sender, e) {
  first_appearances_in_order = (older(e) & ~appeared) == 0;
  assert(first_appearances_in_order);
  first_appearances_in_order = 0;
#ifndef ZOMBIES_ALLOWED
  published_by_no_zombie = owner == NOBODY || owner == sender;
  assert(published_by_no_zombie);
  published_by_no_zombie = 0;
#endif
  appeared = appeared | ev(e)
}

#define inMemory(r) (ready[r] | publishing[r] | settled[r] | completing[r] | left[r])

/* The predecessor of an event that was read waits below the floor and is not in memory: the floor was wrong. */
#if defined(AHEAD) && !defined(NO_PREDECESSOR)
#define isEarly(r) (readRows[r] && (readEarlier[r] & ~inMemory(r)))
#else
#define isEarly(r) false
#endif

/* Inserts one row of a read. */
inline insert(r, k) {
  if
  :: has(readRows[r], k) && !isEarly(r) && !has(ready[r] | publishing[r] | settled[r] | completing[r] | left[r], k) &&
     parkedFrom[r] == 0 ->
     queue_in_id_order = ((ready[r] | publishing[r]) & above(k)) == 0;
     assert(queue_in_id_order);
     queue_in_id_order = 0;
     ready[r] = ready[r] | ev(k)
  :: else
  fi
}

#ifdef TWO_IN_FLIGHT
#define isHead(r, k) true
#else
#define isHead(r, k) (((ready[r] | publishing[r]) & older(k)) == 0)
#endif
#ifdef EARLY_RELEASE
#define isQuiet(r) true
#else
#define isQuiet(r) (quiet[r] == 0)
#endif
#define mayRelease(r) (leaving[r] && inMemory(r) == 0 && readState[r] == IDLE && isQuiet(r))
#define canPublish(r) (held[r] && outlasts(r) && ready[r])
#define canRead(r) (held[r] && !leaving[r] && readState[r] == IDLE)
#define canComplete(r) (held[r] && settled[r] && doneState[r] == IDLE)
#define isFenced(r, e) (owner == me(r) && e == CURRENT)

#ifdef COMPLETE_EARLY
#define handOver(r, k) settled[r] = settled[r] | ev(k); forgotten[at(r, k)] = DELIVERY
#else
#define handOver(r, k) publishing[r] = publishing[r] | ev(k); awaited[at(r, k)] = DELIVERY
#endif

/* Event k is handed over; acknowledged; given up although it is on the topic, because the answer is lost; timed out. */
#define PUBLISHING(r, k) \
  :: d_step { \
       up(r) && canPublish(r) && has(ready[r], k) && isHead(r, k) -> ready[r] = ready[r] & ~ev(k); handOver(r, k) \
     } \
  :: d_step { \
       has(answered[r], k) -> \
       answered[r] = answered[r] & ~ev(k); publishing[r] = publishing[r] & ~ev(k); settled[r] = settled[r] | ev(k) \
     } \
  :: d_step { \
       mayFail && has(answered[r], k) -> spend; \
       answered[r] = answered[r] & ~ev(k); publishing[r] = publishing[r] & ~ev(k); ready[r] = ready[r] | ev(k) \
     } \
  :: d_step { \
       has(publishing[r], k) && !has(answered[r], k) && awaited[at(r, k)] == 0 -> \
       publishing[r] = publishing[r] & ~ev(k); ready[r] = ready[r] | ev(k) \
     }

/* --- A relay --- */

proctype Relay(byte r) {
  byte e;
  do
  /* Leases: the request is sent (the local deadline counts from here), executed, and answered or not. */
  :: d_step {
       up(r) && leaseState[r] == IDLE && (leaseDue[r] || mayRelease(r)) ->
       if
       :: mayRelease(r) ->
          leaseKind[r] = release; leaseEpoch[r] = held[r];
          giveUpEpoch(r); floor[r] = 0; parkedFrom[r] = 0
       :: !mayRelease(r) && held[r] -> leaseKind[r] = renew; leaseEpoch[r] = held[r]; leaseLocal[r] = LOCAL
       :: else -> leaseKind[r] = claim; leaseLocal[r] = LOCAL
       fi;
       leaseState[r] = SENT;
       leaseDue[r] = false
     }
  :: d_step {
       leaseState[r] == SENT ->
       /* A refused claim and a release need no answer: the relay does nothing with it. */
       leaseState[r] = EXECUTED;
       if
       :: leaseKind[r] == claim ->
          if
          :: owner == NOBODY || lease == 0 || owner == me(r) ->
             freshEpoch();
             owner = me(r); lease = RESERVE; leaseEpoch[r] = CURRENT
          :: else -> endLease(r)
          fi
       :: leaseKind[r] == renew ->
          if
          :: isFenced(r, leaseEpoch[r]) && lease > 0 -> lease = RESERVE
          :: else -> leaseEpoch[r] = 0
          fi
       :: else ->
          if
          :: isFenced(r, leaseEpoch[r]) -> owner = NOBODY; lease = 0
          :: else
          fi;
          endLease(r)
       fi
     }
  :: d_step {
       leaseState[r] == EXECUTED ->
       if
#ifdef COUNT_FROM_ANSWER
       :: leaseKind[r] == claim && leaseEpoch[r] ->
          dropEvents(r); held[r] = (leaseEpoch[r] == CURRENT -> CURRENT : OLD);
          lasting[r] = LOCAL; leaving[r] = false
#else
       :: leaseKind[r] == claim && leaseEpoch[r] && leaseLocal[r] ->
          dropEvents(r); held[r] = (leaseEpoch[r] == CURRENT -> CURRENT : OLD);
          lasting[r] = leaseLocal[r]; leaving[r] = false
#endif
#ifndef TAKEOVER_KEEPS_FLOOR
          ;
          floor[r] = 0
#endif
          ;
          wakeRead(r)
       :: leaseKind[r] == renew && leaseEpoch[r] && leaseEpoch[r] == held[r] ->
          if
#ifdef COUNT_FROM_ANSWER
          :: true -> lasting[r] = LOCAL
#else
          :: leaseLocal[r] > 0 -> lasting[r] = leaseLocal[r]
          :: else -> lose(r)
#endif
          fi
       :: else
       fi;
       endLease(r)
     }
  :: d_step { /* not executed, or its answer lost */
       mayFail && leaseState[r] != IDLE -> spend;
       endLease(r)
     }

  /* The fair share has become smaller, or larger again. */
  :: d_step {
       mayFail && held[r] -> spend;
       leaving[r] = !leaving[r]; floor[r] = 0;
       if
       :: leaving[r] -> ready[r] = 0
       :: else
       fi
     }
  /* The key makes room for others, and comes back. */
  :: d_step {
       mayFail && held[r] && ready[r] && publishing[r] == 0 && parkedFrom[r] == 0 -> spend;
       do
       :: has(ready[r], parkedFrom[r]) -> break
       :: else -> parkedFrom[r]++
       od;
       parkedFrom[r]++;
       ready[r] = 0
     }
  :: d_step {
       held[r] && parkedFrom[r] ->
       if
       :: floor[r] >= parkedFrom[r] -> floor[r] = parkedFrom[r] - 1
       :: else
       fi;
       parkedFrom[r] = 0;
       wakeRead(r)
     }

  /* Reading. */
  :: d_step {
       up(r) && canRead(r) && readDue[r] ->
       readState[r] = SENT; readEpoch[r] = held[r]; readFloor[r] = floor[r];
       readDue[r] = false
     }
  :: atomic {
       readState[r] == SENT ->
       if
       :: isFenced(r, readEpoch[r]) ->
          readUpTo[r] = committed;
#ifdef AHEAD
          /* The sequence shows an id that nobody has drawn. */
          if
          :: mayFail && committed < EVENTS -> spend; readUpTo[r] = committed + 1
          :: true
          fi;
          readEarlier[r] = waiting & ~above(readFloor[r]);
#endif
          readRows[r] = waiting & above(readFloor[r]) & older(readUpTo[r]);
          readState[r] = EXECUTED
       :: else -> readState[r] = REFUSED
       fi
     }
  :: atomic {
       readState[r] == EXECUTED || readState[r] == REFUSED ->
       if
       :: held[r] == 0 || held[r] != readEpoch[r]
       :: else ->
          if
          :: readState[r] == REFUSED -> lose(r)
#ifndef STALE_READ
          /* The floor was lowered during this read: older events may have left memory that it did not ask for. */
          :: readState[r] == EXECUTED && floor[r] < readFloor[r] ->
             wakeRead(r)
          :: readState[r] == EXECUTED && floor[r] >= readFloor[r] ->
#else
          :: readState[r] == EXECUTED ->
#endif
             e = 0;
             do
             :: e < EVENTS -> insert(r, e); e++
             :: else -> break
             od;
             e = 0;
             if
#ifdef AHEAD
             :: isEarly(r) && parkedFrom[r] == 0 ->
                floor[r] = 0;
                wakeRead(r)
#endif
             :: !(isEarly(r)) && floor[r] >= readFloor[r] && readUpTo[r] > floor[r] -> floor[r] = readUpTo[r]
             :: true
             fi
          fi
       fi;
       left[r] = 0;
#ifdef AHEAD
       readEarlier[r] = 0;
#endif
       readState[r] = IDLE; readEpoch[r] = 0; readFloor[r] = 0; readUpTo[r] = 0; readRows[r] = 0
     }
  :: d_step {
       mayFail && readState[r] != IDLE -> spend;
       left[r] = 0;
       readState[r] = IDLE; readEpoch[r] = 0; readFloor[r] = 0; readUpTo[r] = 0; readRows[r] = 0;
       wakeRead(r)
     }

  /* Publishing: handed over, and answered. */
  PUBLISHING(r, 0)
  PUBLISHING(r, 1)
#if EVENTS > 2
  PUBLISHING(r, 2)
#endif
  :: d_step { /* a purge because of another shard: the messages are given up, and may still arrive */
       mayFail && publishing[r] -> spend;
       e = 0;
       do
       :: e < EVENTS ->
          if
          :: awaited[at(r, e)] > forgotten[at(r, e)] && !isLost(r, e) -> forgotten[at(r, e)] = awaited[at(r, e)]
          :: else
          fi;
          awaited[at(r, e)] = 0;
          e++
       :: else -> break
       od;
       e = 0;
       ready[r] = ready[r] | (publishing[r] & ~answered[r]); publishing[r] = publishing[r] & answered[r];
       quiet[r] = DELIVERY
     }

  /* Completing: the request is sent, executed, and answered or not. */
  :: d_step {
       up(r) && canComplete(r) ->
       doneState[r] = SENT; doneEpoch[r] = held[r]; doneRows[r] = settled[r];
       completing[r] = settled[r]; settled[r] = 0
     }
  :: d_step {
       doneState[r] == SENT ->
       if
#ifdef NO_EPOCH_CHECK
       :: true ->
#else
       :: isFenced(r, doneEpoch[r]) ->
#endif
          doneRows[r] = doneRows[r] & waiting;
#if defined(FAILOVER) && !defined(MATCH_ID_ONLY)
          doneRows[r] = doneRows[r] & ~lost[r];
#endif
          done_only_by_the_owner = doneRows[r] == 0 || owner == NOBODY || owner == me(r);
          assert(done_only_by_the_owner);
          done_only_by_the_owner = 0;
          done_only_when_on_the_topic = (doneRows[r] & ~appeared) == 0;
          assert(done_only_when_on_the_topic);
          done_only_when_on_the_topic = 0;
          waiting = waiting & ~doneRows[r]; done = done | doneRows[r];
          doneState[r] = EXECUTED
       :: else -> doneState[r] = REFUSED
       fi;
       doneRows[r] = 0
     }
  :: d_step {
       doneState[r] == EXECUTED || doneState[r] == REFUSED ->
       if
       :: held[r] == 0 || held[r] != doneEpoch[r]
       :: else ->
          if
          :: doneState[r] == REFUSED -> lose(r)
          :: else ->
             if
             :: readState[r] != IDLE -> left[r] = left[r] | completing[r]
             :: else
             fi;
             completing[r] = 0
          fi
       fi;
       doneState[r] = IDLE; doneEpoch[r] = 0
     }
  :: d_step {
       mayFail && doneState[r] != IDLE -> spend;
       if
       :: held[r] && held[r] == doneEpoch[r] ->
#ifndef COMPLETION_FORGOTTEN
          settled[r] = settled[r] | completing[r]; completing[r] = 0
#else
          skip
#endif
       :: else
       fi;
       doneState[r] = IDLE; doneEpoch[r] = 0; doneRows[r] = 0
     }

  /* A crash; it starts again as a new owner, or (one of the two) never. */
  :: d_step {
       mayFail && !crashed[r] -> spend;
       crashed[r] = true;
       lose(r);
       quiet[r] = 0; floor[r] = 0;
       e = 0;
       do
       :: e < EVENTS -> orphaned[at(r, e)] = forgotten[at(r, e)]; forgotten[at(r, e)] = 0; e++
       :: else -> break
       od;
       e = 0;
       endLease(r);
       readState[r] = IDLE; readEpoch[r] = 0; readFloor[r] = 0; readUpTo[r] = 0; readRows[r] = 0;
       doneState[r] = IDLE; doneEpoch[r] = 0; doneRows[r] = 0;
       if
       :: owner == me(r) -> owner = dead(r)
       :: else
       fi
     }
  :: d_step { mayFail && crashed[r] && !isDown[1 - r] && held[r] == 0 && leaseState[r] == IDLE -> isDown[r] = true }
  od
}

/* --- The broker: a copy on its way may be appended at any time until its time is over. --- */

#define BROKER(r, k) \
  :: d_step { \
       awaited[at(r, k)] -> \
       if \
       :: isLost(r, k) /* an event that a failover has lost: not looked at */ \
       :: else -> append(me(r), k) \
       fi; \
       awaited[at(r, k)] = 0; answered[r] = answered[r] | ev(k) \
     } \
  :: d_step { forgotten[at(r, k)] -> append(me(r), k); forgotten[at(r, k)] = 0 } \
  :: d_step { orphaned[at(r, k)] -> append(dead(r), k); orphaned[at(r, k)] = 0 }

proctype Broker() {
  do
  BROKER(0, 0)
  BROKER(0, 1)
  BROKER(1, 0)
  BROKER(1, 1)
#if EVENTS > 2
  BROKER(0, 2)
  BROKER(1, 2)
#endif
  od
}

/* --- The writer: each event commits after the one before it. --- */

proctype Writer() {
  do
  :: d_step {
       committed < EVENTS -> waiting = waiting | ev(committed); committed++;
       wakeRead(0); wakeRead(1)
     }
#ifndef FAILOVER
  :: committed == EVENTS -> break
#endif
  od
}

/* --- Time. --- */

/* The relay has something to do that takes no time. */
#define isBusy(r) (leaseState[r] != IDLE || readState[r] != IDLE || doneState[r] != IDLE || publishing[r] || \
  (up(r) && (leaseDue[r] || mayRelease(r) || canPublish(r) || canComplete(r) || (canRead(r) && readDue[r]))) || parkedFrom[r])
#define isTime (!isBusy(0) && !isBusy(1))

inline newHistory() {
#ifndef IGNORE_HISTORY
  freshEpoch();
#endif
  wakeRead(0); wakeRead(1)
}

proctype Time() {
  byte length;
  do
  :: d_step { isTime -> length = 0; tick() }
  /* A pause or a delay, at most as long as a lease, whatever is due. */
#ifdef LONG_PAUSES
  /* Others act between its ticks. */
  :: d_step { mayFail && length == 0 && !isTime -> spend; length = RESERVE - 1; tick() }
  :: d_step { length > 0 && !isTime -> length--; tick() }
#else
  :: atomic {
       mayFail && !isTime -> spend;
       do
       :: d_step { length < RESERVE - 1 -> length++; tick() }
       :: d_step { length = 0; tick() } -> break
       od
     }
#endif
  /* An operator who requeues old events raises the epoch; the owner stays. */
  :: d_step { mayFail && owner != NOBODY -> spend; freshEpoch() }
#ifdef FAILOVER
  /* A crash undoes moves to DONE; or a standby takes over that lacks the last commit, whose id is drawn again.
     Statements that name another history are refused, like those under another epoch. */
  :: d_step { mayFail && done -> spend; waiting = waiting | done; done = 0; newHistory() }
  :: d_step {
       mayFail && committed -> spend;
       committed--;
       waiting = waiting & ~ev(committed); done = done & ~ev(committed); appeared = appeared & ~ev(committed);
       lost[0] = lost[0] | ((inMemory(0) | readRows[0]) & ev(committed));
       lost[1] = lost[1] | ((inMemory(1) | readRows[1]) & ev(committed));
       awaited[at(0, committed)] = 0; forgotten[at(0, committed)] = 0; orphaned[at(0, committed)] = 0;
       awaited[at(1, committed)] = 0; forgotten[at(1, committed)] = 0; orphaned[at(1, committed)] = 0;
       newHistory()
     }
#endif
  od
}

init {
  atomic { run Relay(0); run Relay(1); run Broker(); run Writer(); run Time() }
}

ltl everything_is_done { <> (done == ALL) }
