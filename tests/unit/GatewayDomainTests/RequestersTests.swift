import DirectDomain
import GatewayDomain
import Testing
import Values

@Suite struct RequestersTests {
  private func states(_ states: [(PaymentState, PaymentReason?)]) -> [PaymentStanding] {
    states.enumerated().map { number, each in
      PaymentStanding(
        state: each.0, reason: each.1, version: Int64(number + 1), since: Timestamp(microseconds: Int64(number)))
    }
  }

  @Test func theReviewerAskedForWhatCameAfterTheReview() {
    let ann = Requesters(reviewer: "ann")
    let approved = states([
      (.created, nil), (.processing, nil), (.review, .reviewRequired), (.processing, nil), (.completed, nil),
    ])
    #expect(ann.requesters(of: approved) == [4: "ann"])
    let declined = states([(.created, nil), (.review, .reviewRequired), (.rejected, .reviewDeclined)])
    #expect(ann.requesters(of: declined) == [3: "ann"])
    // The state of the review has not come yet, or is not kept.
    #expect(ann.requesters(of: states([(.created, nil), (.rejected, .reviewDeclined)])) == [2: "ann"])
  }

  @Test func whoCancelledAskedForTheEnd() {
    let both = Requesters(reviewer: "ann", canceller: "shop")
    let cancelled = states([
      (.created, nil), (.review, .reviewRequired), (.processing, nil), (.rejected, .cancelled),
    ])
    #expect(both.requesters(of: cancelled) == [3: "ann", 4: "shop"])
    let inReview = states([(.created, nil), (.review, .reviewRequired), (.rejected, .cancelled)])
    #expect(Requesters(canceller: "shop").requesters(of: inReview) == [3: "shop"])
    #expect(Requesters().requesters(of: inReview).isEmpty)
  }

  @Test func nobodyAskedForWhatTheProgramsDid() {
    let states = states([(.created, nil), (.processing, nil), (.unknown, .bankUnclear), (.completed, nil)])
    #expect(Requesters(reviewer: "ann").requesters(of: states).isEmpty)
    let late = self.states([(.created, nil), (.review, .reviewRequired), (.rejected, .reviewTimeout)])
    #expect(Requesters().requesters(of: late).isEmpty)
  }
}
