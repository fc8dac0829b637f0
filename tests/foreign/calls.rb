# Good calls beside cancelled ones and ones with a short deadline, on one channel: says how many good ones failed.
require 'grpc'

PING = '/paymentsapi.PaymentsApi/GetPing'
FIND = '/payments.v1.PaymentService/GetPayment'
WATCH = '/grpc.health.v1.Health/Watch'
BYTES = ->(bytes) { bytes }

port, each = ARGV
each = each.to_i
stub = GRPC::ClientStub.new("127.0.0.1:#{port}", :this_channel_is_insecure)
failed = 0
late = 0
threads = (0...8).map do |index|
  Thread.new do
    each.times do |count|
      if index.even?
        begin
          stub.request_response(PING, '', BYTES, BYTES, deadline: Time.now + 20)
        rescue GRPC::BadStatus => e
          failed += 1
          warn e.message if failed <= 3
        end
      elsif count.even?
        begin
          stub.request_response(FIND, "\x08\x01", BYTES, BYTES, deadline: Time.now + rand(0.00002..0.0015))
        rescue GRPC::DeadlineExceeded
          late += 1
        rescue GRPC::BadStatus
          nil
        end
      else
        operation = stub.server_streamer(WATCH, '', BYTES, BYTES, return_op: true)
        begin
          operation.execute.each { |_| operation.cancel }
        rescue GRPC::Cancelled
          nil
        end
      end
    end
  end
end
threads.each(&:join)
puts "good=#{each * threads.length / 2} failed=#{failed} late=#{late}"
