/*
 * How the bank is asked: two processes, one payment, one bank. README.md says what each part stands for.
 *
 * A step of a process is a transaction, a call, or an answer. Whatever has no order here may happen in any.
 */

/* The number of faults, of any kind and at any moment. */
#ifndef FAULTS
#define FAULTS 3
#endif
byte faults = FAULTS;
#define mayFail (faults > 0)
#define spend faults--

/* The stages of a payment: PROCESSING is READY and ASKED, UNKNOWN is DOUBT and REVERSING. */
#define ABSENT 0
#define READY 1
#define ASKED 2
#define DOUBT 3
#define REVERSING 4
#define COMPLETED 5
#define REJECTED 6
#define ERROR 7
#define isFinal (stage >= COMPLETED)

/* The table. */
byte stage = ABSENT;
byte askedAt;            /* counts the times that "asked at" was written */
byte owner;              /* whoever has the payment; 0: nobody */

/* Owners: process 0 registers as 1, 3, 5 and 7, process 1 as 2, 4, 6 and 8. */
#define OWNERS 9
#if FAULTS > 3
#error "eight owners are enough for three faults"
#endif
#define UNUSED 0
#define HELD 1
#define RAISED 2         /* its epoch was raised by whoever takes over */
#define REMOVED 3
byte lease[OWNERS];

/* The bank. */
byte requests;           /* requests to charge that left us */
byte charges;
bool isDeclined, isRefused, isShown;
bool underWay[2];        /* a request of this process travels */
byte reply[2];           /* and its answer */

/* Answers of the bank. */
#define NOTHING 0
#define APPROVED 1
#define DECLINED 2
#define UNDONE 3
#define NO_SUCH_PAYMENT 4
#define NOT_SENT 5
#define UNCLEAR 6

/* What a process is at with the payment. Whatever is not IDLE is "in hand". */
#define IDLE 0
#define ASKING 1         /* the transaction that writes "asked at" was sent */
#define WRITTEN 2        /* it was executed, and has not been answered */
#define MAY_SEND 3       /* its answer is here, and nothing was sent */
#define CALLING 4        /* the request to charge was sent */
#define TELLING 5        /* the answer to it is on its way into the table */
#define TOLD 6
#define INQUIRING 7      /* the bank is to be asked what became of it, or to undo it */
#define REVERSING_IT 8
#define TELLING_MORE 9   /* the same for its answer; a reversal's comes with wasReversal */
byte task[2];
byte me[2];              /* the owner that the process is */
byte by[2];              /* the owner that it was when it took the payment in hand */
byte after[2];           /* the "asked at" that it wrote and did not send under */
byte knows[2];           /* the "asked at" that the transaction has given */
byte got[2];
byte answer[2];
bool wasReversal[2];
bool hasCard[2];
byte takes[2];           /* the owner that it takes over from */
bool crashed[2];

#define OTHER 0
#define CHANGED 1
#define UNSENT 2
#define LOST 3

#ifdef CARD
#define hasNumber(r) hasCard[r]
#else
#define hasNumber(r) true
#endif
#if defined(CARD) && !defined(CARD_FOR_ANYBODY)
#define mayAsk(r) hasCard[r]
#define isFree(o) (owner == o)
#else
#define mayAsk(r) true
#define isFree(o) (owner == 0 || owner == o)
#endif

/* The properties, named so that the checker's message names them. */
byte row_before_call, asked_once, card_in_memory, final_stays, reversed_before_error, uncharged_is_uncharged;
byte completed_is_charged, claims_have_owners;

inline judge() {
  uncharged_is_uncharged = !((stage == REJECTED || stage == ERROR) && charges > 0);
  assert(uncharged_is_uncharged);
  completed_is_charged = !(stage == COMPLETED && charges == 0);
  assert(completed_is_charged);
  claims_have_owners = !(stage == ASKED && lease[owner] == REMOVED);
  assert(claims_have_owners);
  uncharged_is_uncharged = 0; completed_is_charged = 0; claims_have_owners = 0
}

inline enter(next) {
  final_stays = !isFinal;
  assert(final_stays);
  final_stays = 0;
  reversed_before_error = next != ERROR || isRefused || stage <= READY;
  assert(reversed_before_error);
  reversed_before_error = 0;
  stage = next;
  if
  :: stage != READY && stage != ASKED -> owner = 0
  :: else
  fi;
  judge()
}

inline letGo(r) {
  task[r] = IDLE; by[r] = 0; after[r] = 0; knows[r] = 0; got[r] = OTHER; answer[r] = NOTHING; wasReversal[r] = false
}

/* --- The transactions --- */

#ifdef NO_EPOCH_CHECK
#define isFenced(o) true
#else
#define isFenced(o) (lease[o] == HELD)
#endif

inline noteAsked(r) {
  askedAt++;
  stage = ASKED; owner = by[r];
  knows[r] = askedAt; got[r] = CHANGED
}

/* PaymentEngine.ask */
inline writeAskedAt(r) {
  if
  :: !isFenced(by[r]) -> got[r] = LOST
#ifdef NO_COMPARE
  :: isFenced(by[r]) && !isFinal -> noteAsked(r)
#else
  :: isFenced(by[r]) && (stage == ABSENT || stage == READY && isFree(by[r])) && after[r] == 0 -> noteAsked(r)
  :: isFenced(by[r]) && stage == ASKED && owner == by[r] && after[r] == askedAt -> noteAsked(r)
  :: isFenced(by[r]) && stage == ASKED && owner == by[r] && after[r] != askedAt -> knows[r] = askedAt; got[r] = UNSENT
#endif
  :: else -> got[r] = OTHER
  fi;
  judge()
}

/* PaymentEngine.resolve */
inline resolve(r) {
  if
  :: answer[r] == APPROVED -> enter(COMPLETED)
  :: answer[r] == DECLINED -> enter(REJECTED)
  :: answer[r] == UNDONE -> enter(ERROR)
  :: else
  fi
}

/* PaymentEngine.resolveReversing */
inline resolveReversing(r) {
  if
#ifdef APPROVED_ENDS_REVERSING
  :: answer[r] == APPROVED -> enter(COMPLETED)
#endif
#ifdef TRUST_REVERSAL
  :: answer[r] == UNCLEAR && wasReversal[r] -> enter(ERROR)
#endif
  :: answer[r] == DECLINED -> enter(REJECTED)
  :: answer[r] == UNDONE -> enter(ERROR)
  :: else
  fi
}

#ifdef NOT_SENT_UNDATED
#define isOfThis(r) true
#else
#define isOfThis(r) (knows[r] == askedAt)
#endif

/* A card stays with the process that has its number. */
inline makeReady() {
#ifndef CARD
  owner = 0;
#endif
  enter(READY)
}

/* PaymentEngine.charged */
inline takeAnswer(r) {
  if
#ifdef RESEND_UNCLEAR
  :: stage == ASKED && answer[r] == UNCLEAR -> makeReady()
#endif
#ifdef UNCLEAR_IS_DECLINED
  :: stage == ASKED && answer[r] == UNCLEAR -> enter(REJECTED)
#endif
  :: stage == ASKED && answer[r] == APPROVED -> enter(COMPLETED)
  :: stage == ASKED && answer[r] == DECLINED -> enter(REJECTED)
  :: stage == ASKED && answer[r] == NOT_SENT && isOfThis(r) -> makeReady()
#if !defined(RESEND_UNCLEAR) && !defined(UNCLEAR_IS_DECLINED)
  :: stage == ASKED && answer[r] == UNCLEAR -> enter(DOUBT)
#endif
  :: stage == READY && answer[r] == APPROVED -> enter(DOUBT)
  :: stage == DOUBT -> resolve(r)
  :: stage == REVERSING -> resolveReversing(r)
#ifdef LATE_ANSWER_COUNTS
  :: isFinal && answer[r] == APPROVED && stage != COMPLETED -> enter(COMPLETED)
#endif
  :: else
  fi
}

/* PaymentEngine.inquired and reversed. A "no such payment" counts at once, and the reversal makes up for it. */
inline takeMore(r) {
  if
#ifdef ABSENCE_IS_ERROR
  :: stage == DOUBT && answer[r] == NO_SUCH_PAYMENT -> enter(ERROR)
#elif defined(CHARGE_ANEW)
  :: stage == DOUBT && answer[r] == NO_SUCH_PAYMENT -> makeReady()
#else
  :: stage == DOUBT && answer[r] == NO_SUCH_PAYMENT -> enter(REVERSING)
#endif
  :: stage == DOUBT && answer[r] != NO_SUCH_PAYMENT && !wasReversal[r] -> resolve(r)
  :: stage == REVERSING -> resolveReversing(r)
  :: else
  fi
}

/* PaymentEngine.takeOver */
inline takeOver(o) {
  if
  :: stage == ASKED && owner == o -> enter(DOUBT)
#ifdef CARD
  :: stage == READY && owner == o -> enter(ERROR)
#endif
  :: else
  fi
}

#ifdef CANCEL_ALWAYS
#define mayCancel (!isFinal)
#else
#define mayCancel (stage <= READY)
#endif

#ifdef CARD
#define isLeft(o) ((stage == ASKED || stage == READY) && owner == o)
#define claimant(r) me[r]
#else
#define isLeft(o) (stage == ASKED && owner == o)
#define claimant(r) 0
#endif
#define lives(o) (me[(o + 1) % 2] == o)
#define TAKE(r, o) \
  :: d_step { \
       takes[r] == 0 && takes[1 - r] != o && \
       (lease[o] == RAISED || lease[o] == HELD && me[r] != o && (mayFail || !lives(o))) -> \
       if \
       :: lease[o] == HELD && lives(o) -> spend \
       :: else \
       fi; \
       takes[r] = o; lease[o] = RAISED \
     }

/* --- A process --- */

proctype Process(byte r) {
end:
  do
  /* A message, or a due row, and room at the bank. */
  :: d_step {
       task[r] == IDLE && lease[me[r]] == HELD && mayAsk(r) && (stage == ABSENT || stage == READY && isFree(me[r])) ->
       task[r] = ASKING; by[r] = me[r]
     }
  /* A message, and no room at the bank. */
  :: d_step {
       task[r] == IDLE && lease[me[r]] == HELD && mayAsk(r) && stage == ABSENT -> owner = claimant(r); enter(READY)
     }
  /* A message that comes again, or a due row that was read before somebody else has seen to it. */
  :: d_step { mayFail && task[r] == IDLE && mayAsk(r) -> spend; task[r] = ASKING; by[r] = me[r] }
#ifdef RESUME_ASKED
  /* Whoever is in the middle of it does not count. */
  :: d_step {
       mayFail && (task[r] == CALLING || task[r] == TELLING) && stage == ASKED && owner == me[r] -> spend;
       letGo(r); task[r] = ASKING; by[r] = me[r]
     }
#endif

  /* "Asked at": executed, answered, lost before or after it was executed, given up. */
  :: d_step { task[r] == ASKING -> task[r] = WRITTEN; writeAskedAt(r) }
#ifdef CALL_BEFORE_ROW
  :: d_step { task[r] == ASKING && lease[by[r]] == HELD -> task[r] = MAY_SEND; knows[r] = askedAt + 1 }
#endif
  :: d_step {
       task[r] == WRITTEN ->
       if
       :: got[r] == CHANGED -> task[r] = MAY_SEND
       :: got[r] == UNSENT -> after[r] = knows[r]; task[r] = ASKING
       :: else -> letGo(r)
       fi
     }
  :: d_step {
       mayFail && (task[r] == ASKING || task[r] == WRITTEN) -> spend;
       task[r] = ASKING; knows[r] = 0; got[r] = OTHER
     }
  :: d_step { mayFail && (task[r] == ASKING || task[r] == WRITTEN) -> spend; letGo(r) }

  /* The call: sent, too late to be sent, or no byte of it sent. */
  :: d_step {
       task[r] == MAY_SEND -> task[r] = CALLING;
       row_before_call = stage >= ASKED && askedAt == knows[r];
       assert(row_before_call);
       asked_once = requests == 0;
       assert(asked_once);
       card_in_memory = hasNumber(r);
       assert(card_in_memory);
       row_before_call = 0; asked_once = 0; card_in_memory = 0;
       requests++; underWay[r] = true
     }
  :: d_step {
       mayFail && task[r] == MAY_SEND -> spend;
       after[r] = knows[r]; knows[r] = 0; got[r] = OTHER; task[r] = ASKING
     }
  :: d_step { mayFail && task[r] == MAY_SEND -> spend; answer[r] = NOT_SENT; task[r] = TELLING }
  :: d_step { task[r] == CALLING && reply[r] -> answer[r] = reply[r]; reply[r] = NOTHING; task[r] = TELLING }
  :: d_step {
       task[r] == CALLING && !reply[r] && (mayFail || !underWay[r]) ->
       if
       :: underWay[r] -> spend
       :: else
       fi;
       answer[r] = UNCLEAR; task[r] = TELLING
     }

  /* Its answer is told until the table has it. */
  :: d_step { task[r] == TELLING -> task[r] = TOLD; takeAnswer(r) }
  :: d_step { task[r] == TOLD -> letGo(r) }
  :: d_step { mayFail && (task[r] == TELLING || task[r] == TOLD) -> spend; task[r] = TELLING }
#ifdef LET_GO_EARLY
  :: d_step { mayFail && task[r] == TELLING -> spend; letGo(r) }
#endif

  /* What became of it? */
#ifndef FORGET_DOUBT
  :: d_step { task[r] == IDLE && stage == DOUBT -> task[r] = INQUIRING }
#endif
  :: d_step { task[r] == IDLE && stage == REVERSING -> task[r] = REVERSING_IT }
  :: d_step { mayFail && task[r] == REVERSING_IT -> spend; task[r] = INQUIRING }
  :: d_step {
       task[r] == INQUIRING ->
       if
       :: isRefused -> answer[r] = UNDONE
       :: !isRefused && isShown && isDeclined -> answer[r] = DECLINED
       :: !isRefused && isShown && !isDeclined -> answer[r] = APPROVED
       :: else -> answer[r] = NO_SUCH_PAYMENT
       fi;
       task[r] = TELLING_MORE
     }
  /* The bank does not show it yet, or cannot be understood. */
  :: d_step {
       mayFail && task[r] == INQUIRING && isShown && !isRefused -> spend;
       answer[r] = NO_SUCH_PAYMENT; task[r] = TELLING_MORE
     }
  :: d_step { mayFail && task[r] == INQUIRING -> spend; answer[r] = UNCLEAR; task[r] = TELLING_MORE }
  :: d_step {
       task[r] == REVERSING_IT ->
       if
       :: isDeclined && !isRefused -> answer[r] = DECLINED
       :: else -> isRefused = true; charges = 0; answer[r] = UNDONE
       fi;
       wasReversal[r] = true; task[r] = TELLING_MORE;
       judge()
     }
  /* The reversal does not come to the bank, or its answer is lost. */
  :: d_step {
       mayFail && task[r] == REVERSING_IT -> spend;
       answer[r] = UNCLEAR; wasReversal[r] = true; task[r] = TELLING_MORE
     }
  :: d_step { mayFail && task[r] == TELLING_MORE -> spend; answer[r] = UNCLEAR }
  :: d_step { task[r] == TELLING_MORE -> takeMore(r); letGo(r) }

  /* What the table says we have, and we do not. */
  :: d_step { task[r] == IDLE && stage == ASKED && owner == me[r] && lease[me[r]] == HELD -> takeOver(me[r]) }

  /* Leases: raised, what was left taken over, removed. That of a process that lives ends only by a fault. */
#ifndef NO_TAKEOVER
  TAKE(r, 1)
  TAKE(r, 2)
  TAKE(r, 3)
  TAKE(r, 4)
  TAKE(r, 5)
  TAKE(r, 6)
  TAKE(r, 7)
  TAKE(r, 8)
  :: d_step {
       takes[r] ->
       if
       :: isLeft(takes[r]) -> takeOver(takes[r])
       :: else -> lease[takes[r]] = REMOVED; takes[r] = 0
       fi
     }
#endif
  /* Whoever has lost the lease forgets the card that waits, and registers anew. */
  :: d_step {
       lease[me[r]] != HELD -> me[r] = me[r] + 2; lease[me[r]] = HELD;
       if
       :: task[r] == IDLE -> hasCard[r] = false
       :: else
       fi
     }

  /* Somebody does not want it any more. */
  :: d_step {
       mayFail && mayCancel -> spend;
       enter(REJECTED)
     }
#ifdef CARD
  /* A card that nobody has any more, and nobody has claimed. */
  :: d_step { stage == ABSENT && !hasCard[0] && !hasCard[1] && task[0] == IDLE && task[1] == IDLE -> enter(ERROR) }
#endif
  /* A crash, once; it starts again as a new owner. Its request travels on. */
  :: d_step {
       mayFail && !crashed[r] -> spend; crashed[r] = true;
       letGo(r); hasCard[r] = false; reply[r] = NOTHING; takes[r] = 0;
       me[r] = me[r] + 2; lease[me[r]] = HELD
     }
  od
}

/* --- The bank: a request is charged, declined, or lost on its way. --- */

inline answerTo(r) {
  underWay[r] = false; isShown = true;
  if
  :: task[r] == CALLING -> reply[r] = (isDeclined -> DECLINED : APPROVED)
  :: else
  fi;
  judge()
}

#define BANK(r) \
  :: d_step { underWay[r] -> isDeclined = true; answerTo(r) } \
  :: d_step { underWay[r] && !isRefused && !isDeclined -> charges++; answerTo(r) } \
  :: d_step { mayFail && underWay[r] -> spend; underWay[r] = false }

proctype Bank() {
end:
  do
  BANK(0)
  BANK(1)
  od
}

init {
  atomic {
    lease[1] = HELD; lease[2] = HELD; me[0] = 1; me[1] = 2; hasCard[0] = true;
    run Process(0); run Process(1); run Bank()
  }
}

ltl everything_is_done { <> isFinal }
