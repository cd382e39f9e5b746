#include "flight/flight_server.h"

#include <arrow/buffer.h>
#include <arrow/flight/server.h>
#include <arrow/flight/types.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "flight/connection_acceptor.h"
#include "flight/exchange_handler.h"
#include "flight/ipc_guard.h"
#include "flight/path_flights.h"
#include "flight/private_folder.h"
#include "flight/put_handler.h"
#include "flight/reading_turns.h"
#include "flight/result_stream.h"
#include "flight/rpc_middleware.h"
#include "flight/session_access.h"
#include "flight/sql_service.h"
#include "flight/status_mapping.h"
#include "flight/subscriptions.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

constexpr int kHandshakeMillisMax = 10'000;  // until a new connection has said what it is

const std::vector<fl::ActionType>& OwnActions() {
  static const std::vector<fl::ActionType> actions{
      {"healthcheck", "Is the server up? Answers {\"status\": \"ok\"}."},
      {"flush", "Returns when everything accepted so far is applied. Answers {\"lsn\": \"N\"}."},
      {"version", "Name and version of the server. Answers {\"name\": ..., \"version\": ...}."}};
  return actions;
}

// The port's owner: our own paths, tickets and actions here, Flight SQL commands to the inner server that never
// listens.
class Dispatcher final : public fl::FlightServerBase {
 public:
  Dispatcher(const FlightOptions& options, const FlightDependencies& dependencies)
      : options_(options),
        dependencies_(dependencies),
        access_(dependencies.sessions,
                {.batch_bytes_max = options.result_batch_bytes_max, .row_bytes_max = options.result_row_bytes_max}),
        sql_(access_, {.name = options.name, .version = options.version, .bind_bytes_max = options.bind_bytes_max}) {}

  arrow::Status GetFlightInfo(const fl::ServerCallContext& context, const fl::FlightDescriptor& request,
                              std::unique_ptr<fl::FlightInfo>* info) override {
    return Guarded([&]() -> arrow::Status {
      if (request.type == fl::FlightDescriptor::PATH) return PathInfo(access_, context, request).Value(info);
      return sql_.GetFlightInfo(context, request, info);
    });
  }

  // Planning is finished when it is answered: there is nothing to poll for again.
  arrow::Status PollFlightInfo(const fl::ServerCallContext& context, const fl::FlightDescriptor& request,
                               std::unique_ptr<fl::PollInfo>* info) override {
    std::unique_ptr<fl::FlightInfo> planned;
    ARROW_RETURN_NOT_OK(GetFlightInfo(context, request, &planned));
    *info = std::make_unique<fl::PollInfo>(std::move(planned), std::nullopt, 1.0, std::nullopt);
    return arrow::Status::OK();
  }

  arrow::Status GetSchema(const fl::ServerCallContext& context, const fl::FlightDescriptor& request,
                          std::unique_ptr<fl::SchemaResult>* schema) override {
    return Guarded([&]() -> arrow::Status {
      if (request.type != fl::FlightDescriptor::PATH) return sql_.GetSchema(context, request, schema);
      ARROW_ASSIGN_OR_RAISE(const auto table, PathSchema(access_, context, request.path));
      return fl::SchemaResult::Make(*table).Value(schema);
    });
  }

  arrow::Status ListFlights(const fl::ServerCallContext& context, const fl::Criteria* criteria,
                            std::unique_ptr<fl::FlightListing>* listings) override {
    return Guarded([&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(auto flights,
                            ListTables(access_, context, criteria == nullptr ? "" : criteria->expression));
      *listings = std::make_unique<fl::SimpleFlightListing>(std::move(flights));
      return arrow::Status::OK();
    });
  }

  arrow::Status DoGet(const fl::ServerCallContext& context, const fl::Ticket& request,
                      std::unique_ptr<fl::FlightDataStream>* stream) override {
    return Guarded([&]() -> arrow::Status {
      if (const auto path = PathOfTicket(request.ticket)) return PathStream(access_, context, *path).Value(stream);
      ARROW_ASSIGN_OR_RAISE(const auto wanted, SubscriptionIn(request.ticket));
      if (wanted) return SubscriptionData(access_, context, *wanted).Value(stream);
      return sql_.DoGet(context, request, stream);
    });
  }

  arrow::Status DoPut(const fl::ServerCallContext& context, std::unique_ptr<fl::FlightMessageReader> reader,
                      std::unique_ptr<fl::FlightMetadataWriter> writer) override {
    return Guarded([&]() -> arrow::Status {
      if (reader->descriptor().type != fl::FlightDescriptor::PATH) {
        return sql_.DoPut(context, std::move(reader), std::move(writer));
      }
      ARROW_ASSIGN_OR_RAISE(auto call, access_.Open(context));
      auto acknowledge = [&](const std::string& text) { return writer->WriteMetadata(arrow::Buffer(text)); };
      PutHandler handler(std::move(call), {context, *reader}, std::move(acknowledge), options_.put_queue_bytes_max);
      return handler.Run(reader->descriptor().path, [&](std::int64_t rows) { Rpc::Of(context).AddRows(rows); });
    });
  }

  arrow::Status DoExchange(const fl::ServerCallContext& context, std::unique_ptr<fl::FlightMessageReader> reader,
                           std::unique_ptr<fl::FlightMessageWriter> writer) override {
    return Guarded([&] { return Exchange(access_, context, *reader, *writer); });
  }

  arrow::Status ListActions(const fl::ServerCallContext& context, std::vector<fl::ActionType>* actions) override {
    return Guarded([&]() -> arrow::Status {
      ARROW_RETURN_NOT_OK(sql_.ListActions(context, actions));
      actions->insert(actions->end(), OwnActions().begin(), OwnActions().end());
      return arrow::Status::OK();
    });
  }

  arrow::Status DoAction(const fl::ServerCallContext& context, const fl::Action& action,
                         std::unique_ptr<fl::ResultStream>* result) override {
    return Guarded([&]() -> arrow::Status {
      if (action.type == "healthcheck") return Answer({{"status", "ok"}}, result);
      if (action.type == "version") return Answer({{"name", options_.name}, {"version", options_.version}}, result);
      if (action.type == "flush") return Flush(context, result);
      return sql_.DoAction(context, action, result);
    });
  }

 private:
  static arrow::Status Answer(const nlohmann::json& json, std::unique_ptr<fl::ResultStream>* result) {
    std::vector<fl::Result> results;
    results.emplace_back(arrow::Buffer::FromString(json.dump()));
    *result = std::make_unique<fl::SimpleResultStream>(std::move(results));
    return arrow::Status::OK();
  }

  arrow::Status Flush(const fl::ServerCallContext& context, std::unique_ptr<fl::ResultStream>* result) {
    ARROW_ASSIGN_OR_RAISE(const auto call, access_.Open(context));
    if (dependencies_.flush) ARROW_RETURN_NOT_OK(dependencies_.flush());
    return Answer({{"lsn", call.session->position().ToString()}}, result);
  }

  const FlightOptions& options_;
  const FlightDependencies& dependencies_;
  const SessionAccess access_;
  SqlService sql_;
};

class FlightServerImpl final : public FlightServer {
 public:
  FlightServerImpl(FlightOptions options, FlightDependencies dependencies)
      : options_(std::move(options)),
        dependencies_(std::move(dependencies)),
        authenticator_(dependencies_.credentials, dependencies_.clock,
                       {.tokens_max = options_.tokens_max, .idle_max = options_.token_idle_max}),
        turns_({.bytes_max = options_.network_bytes_max / 4}, dependencies_.clock),
        dispatcher_(options_, dependencies_) {}

  ~FlightServerImpl() override { ARROW_UNUSED(Shutdown(std::chrono::milliseconds(0))); }

  arrow::Status Start() override {
    auto acceptor = ConnectionAcceptor::Listen(
        {.host = options_.host, .port = options_.port, .connections_max = options_.connections_max});
    if (!acceptor.ok()) {
      const bool taken = acceptor.status().IsAlreadyExists();
      return arrow::Status::IOError("Cannot listen on ", options_.host, ":", options_.port, ": ",
                                    acceptor.status().message(),
                                    taken ? "; choose another one, or 0 for any free one" : "");
    }
    ARROW_RETURN_NOT_OK(StartGrpc());
    const MutexLock lock(mutex_);
    acceptor_ = std::move(acceptor).ValueUnsafe();
    port_ = acceptor_->port();
    acceptor_->Start({.take =
                          [this](int socket) {
                            grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
                            connection.fd = socket;
                            connections_->HandleNewConnection(&connection);
                          },
                      .begun =
                          [this](const std::string& peer) {
                            authenticator_.Forget(peer);  // what a call made that outran its connection's end
                            dependencies_.sessions.Connected(peer);
                          },
                      .ended =
                          [this](const std::string& peer) {
                            authenticator_.Forget(peer);
                            dependencies_.sessions.Disconnected(peer);
                          }});
    return arrow::Status::OK();
  }

  int port() const override { return port_; }

  arrow::Status Shutdown(std::chrono::milliseconds bound) override {
    {
      const MutexLock lock(mutex_);
      if (acceptor_ == nullptr) return arrow::Status::OK();
      acceptor_->Stop();
      acceptor_.reset();
    }
    const auto deadline = std::chrono::system_clock::now() + bound;
    return dispatcher_.Shutdown(&deadline);
  }

 private:
  // gRPC gets its connections from our acceptor. Flight wants an address all the same: a socket file that nobody but
  // this user could reach, and that is gone once gRPC listens.
  arrow::Status StartGrpc() {
    ARROW_ASSIGN_OR_RAISE(const auto folder, PrivateFolder::Make());
    ARROW_ASSIGN_OR_RAISE(const auto location, fl::Location::ForScheme("grpc+unix", folder.path() + "/socket", 0));
    fl::FlightServerOptions server(location);
    server.auth_handler = std::make_shared<HandshakeHandler>(authenticator_);
    server.middleware.emplace_back(
        RpcMiddlewareFactory::kKey,
        std::make_shared<RpcMiddlewareFactory>(
            authenticator_, dependencies_.clock, dependencies_.on_rpc,
            CallMemory{.messages = dependencies_.messages, .parameters = dependencies_.parameters, .turns = &turns_}));
    server.builder_hook = [this](void* builder) { Bound(*static_cast<grpc::ServerBuilder*>(builder)); };
    const auto started = dispatcher_.Init(server);
    if (started.ok()) return started;
    return started.WithMessage("Cannot start Flight: ", started.message());
  }

  std::shared_ptr<grpc::ServerCredentials> Credentials() const {
    if (options_.tls_cert_pem.empty()) return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({options_.tls_key_pem, options_.tls_cert_pem});
    return grpc::SslServerCredentials(tls);
  }

  // What one client may cost: size of a message, of headers, calls at once, silent connections.
  void Bound(grpc::ServerBuilder& builder) {
    using External = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
    connections_ = builder.experimental().AddExternalConnectionAcceptor(External::FROM_FD, Credentials());
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
    interceptors.push_back(std::make_unique<IpcGuardFactory>(options_.batch_bytes_max));
    builder.experimental().SetInterceptorCreators(std::move(interceptors));
    const auto message_max = std::min<std::int64_t>(options_.message_bytes_max, std::numeric_limits<int>::max());
    builder.SetMaxReceiveMessageSize(static_cast<int>(message_max));
    // gRPC inflates a message whole before it measures it, so none may be compressed; Arrow's own compression may.
    builder.AddChannelArgument(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(kHeaderBytesMax));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.streams_max);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMillisMax);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, IdleMillisMax());
    grpc::ResourceQuota quota("hyprstream");
    quota.SetMaxThreads(options_.threads_max);
    quota.Resize(static_cast<std::size_t>(options_.network_bytes_max));
    builder.SetResourceQuota(quota);
  }

  int IdleMillisMax() const {
    const auto millis = std::chrono::milliseconds(options_.connection_idle_max).count();
    return static_cast<int>(std::clamp<std::int64_t>(millis, 1, std::numeric_limits<int>::max()));
  }

  const FlightOptions options_;
  const FlightDependencies dependencies_;
  Authenticator authenticator_;
  ReadingTurns turns_;  // a quarter of what gRPC may read: it counts pieces that are larger than what they hold
  Dispatcher dispatcher_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;
  std::atomic<int> port_{0};
  Mutex mutex_;
  std::unique_ptr<ConnectionAcceptor> acceptor_ GUARDED_BY(mutex_);  // while it serves
};

}  // namespace

arrow::Result<std::unique_ptr<FlightServer>> FlightServer::Make(FlightOptions options,
                                                                FlightDependencies dependencies) {
  if (options.tls_cert_pem.empty() != options.tls_key_pem.empty()) {
    return arrow::Status::Invalid("TLS needs both a certificate and a key");
  }
  if (options.message_bytes_max <= 0 || options.result_batch_bytes_max <= 0 || options.put_queue_bytes_max <= 0) {
    return arrow::Status::Invalid("The bounds of messages, results and queues must be positive");
  }
  return std::make_unique<FlightServerImpl>(std::move(options), std::move(dependencies));
}

}  // namespace hyprstream::flight
