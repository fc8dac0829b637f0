// Good calls beside cancelled ones and ones with a short deadline, on one channel: says how many good ones failed.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::system_clock;
using Microseconds = std::chrono::microseconds;

static const char kPing[] = "/paymentsapi.PaymentsApi/GetPing";
static const char kFind[] = "/payments.v1.PaymentService/GetPayment";

static grpc::Status Call(grpc::GenericStub& stub, const char* method, const std::string& request, Microseconds timeout,
                         bool cancels) {
  grpc::ClientContext context;
  context.set_deadline(Clock::now() + timeout);
  grpc::Slice slice(request);
  grpc::ByteBuffer buffer(&slice, 1), answer;
  grpc::CompletionQueue queue;
  auto reader = stub.PrepareUnaryCall(&context, method, buffer, &queue);
  grpc::Status status;
  reader->StartCall();
  reader->Finish(&answer, &status, nullptr);
  if (cancels) context.TryCancel();
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);
  return status;
}

int main(int, char** arguments) {
  auto channel = grpc::CreateChannel(std::string("127.0.0.1:") + arguments[1], grpc::InsecureChannelCredentials());
  const int each = std::atoi(arguments[2]), callers = 16;
  std::atomic<int> failed{0}, late{0};
  std::vector<std::thread> threads;
  for (int index = 0; index < callers; index++) {
    threads.emplace_back([&, index] {
      grpc::GenericStub stub(channel);
      std::mt19937 random(index);
      // Below the budget of resets: 2,000 at once.
      for (int count = 0; count < (index % 2 == 0 ? each : each / 5); count++) {
        if (index % 2 == 0) {
          auto status = Call(stub, kPing, "", std::chrono::seconds(20), false);
          if (!status.ok() && ++failed <= 3) {
            std::fprintf(stderr, "%d %s\n", status.error_code(), status.error_message().c_str());
          }
        } else {
          const std::string order("\x08\x01", 2);
          auto status = Call(stub, kFind, order, Microseconds(20 + random() % 1480), count % 2 == 0);
          if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) late++;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::printf("good=%d failed=%d late=%d\n", each * callers / 2, failed.load(), late.load());
}
