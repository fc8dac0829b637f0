import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Good calls beside cancelled ones and ones with a short deadline, on one channel: says how many good ones failed. */
public final class Calls {
  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<byte[]>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException error) {
            throw new IllegalStateException(error);
          }
        }
      };

  private static MethodDescriptor<byte[], byte[]> method(String path, MethodDescriptor.MethodType type) {
    return MethodDescriptor.<byte[], byte[]>newBuilder()
        .setType(type)
        .setFullMethodName(path)
        .setRequestMarshaller(BYTES)
        .setResponseMarshaller(BYTES)
        .build();
  }

  public static void main(String[] arguments) throws InterruptedException {
    ManagedChannel channel =
        ManagedChannelBuilder.forAddress("127.0.0.1", Integer.parseInt(arguments[0])).usePlaintext().build();
    int each = Integer.parseInt(arguments[1]);
    MethodDescriptor<byte[], byte[]> ping =
        method("paymentsapi.PaymentsApi/GetPing", MethodDescriptor.MethodType.UNARY);
    MethodDescriptor<byte[], byte[]> find =
        method("payments.v1.PaymentService/GetPayment", MethodDescriptor.MethodType.UNARY);
    MethodDescriptor<byte[], byte[]> watch =
        method("grpc.health.v1.Health/Watch", MethodDescriptor.MethodType.SERVER_STREAMING);
    byte[] nothing = {};
    byte[] order = {8, 1};
    ClientCalls.blockingUnaryCall(channel, ping, CallOptions.DEFAULT, nothing);
    AtomicInteger failed = new AtomicInteger();
    AtomicInteger late = new AtomicInteger();
    Thread[] threads = new Thread[16];
    for (int index = 0; index < threads.length; index++) {
      boolean isGood = index % 2 == 0;
      threads[index] =
          new Thread(
              () -> {
                // Below the budget of resets: 2,000 at once.
                for (int count = 0; count < (isGood ? each : each / 5); count++) {
                  if (isGood) {
                    try {
                      CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(20, TimeUnit.SECONDS);
                      ClientCalls.blockingUnaryCall(channel, ping, options, nothing);
                    } catch (StatusRuntimeException error) {
                      if (failed.incrementAndGet() <= 3) {
                        System.err.println(error);
                      }
                    }
                  } else if (count % 2 == 0) {
                    try {
                      long time = ThreadLocalRandom.current().nextLong(20_000, 1_500_000);
                      CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(time, TimeUnit.NANOSECONDS);
                      ClientCalls.blockingUnaryCall(channel, find, options, order);
                    } catch (StatusRuntimeException error) {
                      if (error.getStatus().getCode() == Status.Code.DEADLINE_EXCEEDED) {
                        late.incrementAndGet();
                      }
                    }
                  } else {
                    ClientCall<byte[], byte[]> call = channel.newCall(watch, CallOptions.DEFAULT);
                    call.start(new ClientCall.Listener<byte[]>() {}, new io.grpc.Metadata());
                    call.request(1);
                    call.sendMessage(nothing);
                    if (count % 4 == 1) {
                      call.halfClose();
                    }
                    call.cancel("enough", null);
                  }
                }
              });
      threads[index].start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    channel.shutdownNow();
    System.out.println("good=" + each * threads.length / 2 + " failed=" + failed.get() + " late=" + late.get());
  }
}
