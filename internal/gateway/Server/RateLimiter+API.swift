internal import GatewayAPI
internal import GatewayLimits

extension RateLimiter: CallLimiting {}
