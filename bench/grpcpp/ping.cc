// GetPing on grpc-c++'s asynchronous API: the baseline of the benchmark, built by bench/support/grpcpp.py.
//
// As fast as that API goes on one core: one completion queue, one thread, calls pre-posted in number so that a burst
// finds them waiting, and no logging. It prints its port.

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <memory>
#include <string>

#include "paymentsapi.grpc.pb.h"

namespace {

using Service = paymentsapi::PaymentsApi::AsyncService;

// More than the load's 4 x 64 streams.
constexpr int kPosted = 512;

// One call after another: posted, answered, made anew.
class Call {
 public:
  Call(Service* service, grpc::ServerCompletionQueue* queue) : service_(service), queue_(queue) { Post(); }

  void Proceed(bool ok) {
    if (!ok || is_answered_) {
      Post();
      return;
    }
    is_answered_ = true;
    state_->answer.set_pong(true);
    state_->responder.Finish(state_->answer, grpc::Status::OK, this);
  }

 private:
  // What grpc-c++ wants anew for each call.
  struct State {
    grpc::ServerContext context;
    google::protobuf::Empty request;
    paymentsapi::Pong answer;
    grpc::ServerAsyncResponseWriter<paymentsapi::Pong> responder{&context};
  };

  void Post() {
    state_ = std::make_unique<State>();
    is_answered_ = false;
    service_->RequestGetPing(&state_->context, &state_->request, &state_->responder, queue_, queue_, this);
  }

  Service* const service_;
  grpc::ServerCompletionQueue* const queue_;
  std::unique_ptr<State> state_;
  bool is_answered_ = false;
};

}  // namespace

int main() {
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "bench: the C++ server cannot listen\n");
    return 1;
  }
  for (int posted = 0; posted < kPosted; ++posted) {
    new Call(&service, queue.get());  // lives as long as the program
  }
  std::printf("%d\n", port);
  std::fflush(stdout);
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) {
    static_cast<Call*>(tag)->Proceed(ok);
  }
  return 0;
}
