#include "wire.h"

#include <fcntl.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "failure.h"

namespace adbc_redis {
namespace {

// Memory for a reply's elements is taken when their number has been read. No command of ours has that many.
constexpr long long kReplyElementsMax = 1 << 23;

timeval AsTimeval(int64_t milliseconds) {
  return {.tv_sec = milliseconds / 1000, .tv_usec = (milliseconds % 1000) * 1000};
}

// Writing to a connection that the other side has closed raises SIGPIPE, which would end an application that does not
// ignore it. It is blocked in this thread meanwhile, and taken away if it was raised here.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&only_);
    sigaddset(&only_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only_, &before_);
  }
  ~WithoutSigpipe() {
    const timespec none = {};
    while (!was_pending_ && sigtimedwait(&only_, nullptr, &none) == SIGPIPE) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

 private:
  bool was_pending_;
  sigset_t only_;
  sigset_t before_;
};

std::string_view FirstWord(std::string_view text) { return text.substr(0, text.find(' ')); }

}  // namespace

CancelFlag::CancelFlag() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

CancelFlag::~CancelFlag() {
  if (descriptor_ >= 0) close(descriptor_);
}

void CancelFlag::Set() {
  set_.store(true);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(descriptor_, &one, sizeof(one));
}

void CancelFlag::Clear() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = read(descriptor_, &count, sizeof(count));
  set_.store(false);
}

Pipeline& Pipeline::Command(size_t arguments) {
  ++commands_;
  bytes_ += '*';
  bytes_ += std::to_string(arguments);
  bytes_ += "\r\n";
  return *this;
}

Pipeline& Pipeline::Word(std::string_view word) {
  bytes_ += '$';
  bytes_ += std::to_string(word.size());
  bytes_ += "\r\n";
  bytes_ += word;
  bytes_ += "\r\n";
  return *this;
}

Pipeline& Pipeline::Add(std::initializer_list<std::string_view> words) {
  Command(words.size());
  for (const std::string_view word : words) Word(word);
  return *this;
}

Pipeline& Pipeline::Add(const Pipeline& others) {
  bytes_ += others.bytes_;
  commands_ += others.commands_;
  return *this;
}

void Pipeline::Clear() {
  bytes_.clear();
  commands_ = 0;
}

arrow::Status StatusOfError(std::string_view error) {
  const std::string_view kind = FirstWord(error);
  const std::string text = "The server refused a command: " + std::string(error);
  if (kind == "NOAUTH") {
    return Fail(ADBC_STATUS_UNAUTHENTICATED, "The server asks for a password: set the option `password`");
  }
  if (kind == "WRONGPASS") {
    return Fail(ADBC_STATUS_UNAUTHENTICATED, "The server refused this user name and password: check both options");
  }
  if (kind == "NOPERM") return Fail(ADBC_STATUS_UNAUTHORIZED, text);
  if (kind == "MOVED" || kind == "ASK" || kind == "CROSSSLOT" || kind == "CLUSTERDOWN") {
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED,
                "The server is a node of a cluster (" + std::string(kind) +
                    "), and this driver follows no redirects: connect to a server that is not clustered");
  }
  if (kind == "WRONGTYPE") return Fail(ADBC_STATUS_INVALID_DATA, text + " (a key of the table holds something else)");
  if (kind == "LOADING" || kind == "MASTERDOWN" || kind == "OOM" || kind == "READONLY" || kind == "BUSY") {
    return Fail(ADBC_STATUS_IO, text);
  }
  return Fail(ADBC_STATUS_INTERNAL, text);
}

arrow::Result<std::unique_ptr<Wire>> Wire::Connect(ServerAddress address) {
  std::unique_ptr<Wire> wire(new Wire(std::move(address)));
  ARROW_RETURN_NOT_OK(wire->Open());
  return wire;
}

Wire::~Wire() = default;

arrow::Status Wire::Lost(std::string_view what) const {
  return Fail(ADBC_STATUS_IO, "Connection to " + address_.ToString() + ": " + std::string(what));
}

arrow::Status Wire::Open() {
  const timeval wait = AsTimeval(address_.connect_timeout_ms);
  redisOptions options = {};
  options.connect_timeout = &wait;
  options.command_timeout = &wait;  // of the handshake only
  if (address_.socket_path.empty()) {
    REDIS_OPTIONS_SET_TCP(&options, address_.host.c_str(), address_.port);
  } else {
    REDIS_OPTIONS_SET_UNIX(&options, address_.socket_path.c_str());
  }
  context_.reset(redisConnectWithOptions(&options));
  arrow::Status opened = context_ == nullptr ? Lost("no memory") : arrow::Status::OK();
  if (opened.ok() && context_->err != 0) opened = Lost(context_->errstr);
  if (opened.ok() && address_.tls) opened = StartTls();
  if (opened.ok()) {  // from here on every wait is ours, so that it can be cancelled
    fcntl(context_->fd, F_SETFL, fcntl(context_->fd, F_GETFL) | O_NONBLOCK);
    context_->flags &= ~REDIS_BLOCK;
    if (address_.socket_path.empty()) redisEnableKeepAlive(context_.get());  // a Unix socket has no such thing
    context_->reader->maxelements = kReplyElementsMax;
    opened = SignIn();
  }
  if (!opened.ok()) context_.reset();
  return opened;
}

arrow::Status Wire::StartTls() {
  const auto refused = [&](std::string_view what) {
    return Fail(ADBC_STATUS_IO, "TLS with " + address_.ToString() + ": " + std::string(what));
  };
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> settings(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (settings == nullptr) return refused("OpenSSL cannot start");
  SSL_CTX_set_min_proto_version(settings.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(settings.get(), address_.tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  const bool trusts = address_.tls_ca_file.empty()
                          ? SSL_CTX_set_default_verify_paths(settings.get()) == 1
                          : SSL_CTX_load_verify_locations(settings.get(), address_.tls_ca_file.c_str(), nullptr) == 1;
  if (!trusts) return refused("cannot read the authorities in " + address_.tls_ca_file);
  if (!address_.tls_cert_file.empty() &&
      (SSL_CTX_use_certificate_chain_file(settings.get(), address_.tls_cert_file.c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(settings.get(), address_.tls_key_file.c_str(), SSL_FILETYPE_PEM) != 1)) {
    return refused("cannot use the certificate and key in " + address_.tls_cert_file);
  }
  SSL* session = SSL_new(settings.get());  // the context takes it, also where it fails
  if (session == nullptr) return refused("OpenSSL cannot start");
  SSL_set_tlsext_host_name(session, address_.host.c_str());
  if (address_.tls_verify && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), address_.host.c_str()) != 1 &&
      SSL_set1_host(session, address_.host.c_str()) != 1) {
    SSL_free(session);
    return refused("the host name cannot be checked");
  }
  ERR_clear_error();
  if (redisInitiateSSL(context_.get(), session) != REDIS_OK) return refused(context_->errstr);
  return arrow::Status::OK();
}

arrow::Status Wire::SignIn() {
  Pipeline pipeline;
  if (!address_.password.empty() && address_.username.empty()) pipeline.Add({"AUTH", address_.password});
  if (!address_.username.empty()) pipeline.Add({"AUTH", address_.username, address_.password});
  const size_t auth = pipeline.commands();
  pipeline.Add({"SELECT", std::to_string(address_.database)});
  ARROW_RETURN_NOT_OK(Send(pipeline, nullptr));
  arrow::Status signed_in;
  for (size_t i = 0; i < pipeline.commands(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const Reply reply, Receive(nullptr));
    if (reply->type != REDIS_REPLY_ERROR || !signed_in.ok()) continue;
    const std::string_view kind = FirstWord(TextOf(*reply));
    if (i < auth && kind == "ERR") {  // its text may repeat what was sent
      signed_in = Fail(ADBC_STATUS_UNAUTHENTICATED,
                       "The server has no password set for this user: leave the options `username` and `password` out");
    } else if (i < auth || kind == "NOAUTH") {
      signed_in = StatusOfError(kind);
    } else {
      signed_in = Fail(ADBC_STATUS_INVALID_ARGUMENT, "The server has no database " + std::to_string(address_.database) +
                                                         ": " + std::string(TextOf(*reply)));
    }
  }
  return signed_in;
}

// Until the socket is ready. A silence of timeout_ms, a cancel or a hang-up end it.
arrow::Status Wire::Wait(short events, const CancelFlag* cancel) {
  pollfd watched[2] = {{.fd = context_->fd, .events = events, .revents = 0},
                       {.fd = cancel == nullptr ? -1 : cancel->descriptor(), .events = POLLIN, .revents = 0}};
  const auto deadline =
      std::min(until_, std::chrono::steady_clock::now() + std::chrono::milliseconds(address_.timeout_ms));
  while (true) {
    if (cancel != nullptr && cancel->is_set()) return Fail(ADBC_STATUS_CANCELLED, "The statement was cancelled");
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0 && deadline == until_)
      return Fail(ADBC_STATUS_TIMEOUT, "The server " + address_.ToString() + " had not answered in time");
    if (left <= 0) {
      return Fail(ADBC_STATUS_TIMEOUT, "The server " + address_.ToString() + " sent nothing for " +
                                           std::to_string(address_.timeout_ms) + " ms (option adbc.redis.timeout_ms)");
    }
    const int ready = poll(watched, 2, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return Lost("poll failed");
    if (ready > 0 && watched[0].revents != 0) return arrow::Status::OK();
  }
}

arrow::Status Wire::Send(const Pipeline& pipeline, const CancelFlag* cancel) {
  if (redisAppendFormattedCommand(context_.get(), pipeline.bytes().data(), pipeline.bytes().size()) != REDIS_OK) {
    return Lost(context_->errstr);
  }
  const WithoutSigpipe quiet;
  int done = 0;
  while (true) {
    if (redisBufferWrite(context_.get(), &done) != REDIS_OK) return Lost(context_->errstr);
    if (done != 0) return arrow::Status::OK();
    // A server whose answers nobody takes may stop reading: take them meanwhile.
    pollfd readable = {.fd = context_->fd, .events = POLLIN, .revents = 0};
    if (poll(&readable, 1, 0) > 0 && redisBufferRead(context_.get()) != REDIS_OK) return Lost(context_->errstr);
    ARROW_RETURN_NOT_OK(Wait(POLLOUT | POLLIN, cancel));
  }
}

arrow::Result<Reply> Wire::Receive(const CancelFlag* cancel) {
  void* reply = nullptr;
  while (true) {
    if (redisGetReplyFromReader(context_.get(), &reply) != REDIS_OK) return Lost(context_->errstr);
    if (reply != nullptr) return Reply(static_cast<redisReply*>(reply));
    ARROW_RETURN_NOT_OK(Wait(POLLIN, cancel));
    if (redisBufferRead(context_.get()) != REDIS_OK) return Lost(context_->errstr);
  }
}

// What it would answer belongs to commands that nobody waits for.
void Wire::Lose(const arrow::Status& why) {
  ++losses_;
  context_.reset();
  if (owed_to_ != nullptr && owed_ > 0 && owed_to_->failure_.ok()) owed_to_->failure_ = why;
  owed_ = 0;
}

void Wire::TakeOwed(size_t answers, const CancelFlag* cancel) {
  for (; answers > 0 && owed_ > 0; --answers) {
    const arrow::Result<Reply> reply = Receive(cancel);
    if (!reply.ok()) return Lose(reply.status());
    --owed_;
    const bool refused = (*reply)->type == REDIS_REPLY_ERROR && owed_to_ != nullptr && owed_to_->failure_.ok();
    if (refused) owed_to_->failure_ = StatusOfError(TextOf(**reply));
  }
}

Posting::~Posting() {
  const std::scoped_lock lock(wire_->mutex_);
  if (wire_->owed_to_ == this) wire_->owed_to_ = nullptr;
}

arrow::Status Posting::Add(const Pipeline& pipeline, const CancelFlag* cancel) {
  Wire& wire = *wire_;
  const std::scoped_lock lock(wire.mutex_);
  if (cancel != nullptr && cancel->is_set()) return Fail(ADBC_STATUS_CANCELLED, "The statement was cancelled");
  if (wire.owed_to_ != this) wire.TakeOwed(wire.owed_, cancel);
  if (!failure_.ok()) return failure_;
  if (wire.context_ == nullptr) ARROW_RETURN_NOT_OK(wire.Open());
  const size_t before = wire.owed_;
  wire.owed_to_ = this;
  wire.owed_ += pipeline.commands();
  const arrow::Status sent = wire.Send(pipeline, cancel);
  if (!sent.ok()) wire.Lose(sent);
  wire.TakeOwed(before, cancel);
  return failure_;
}

arrow::Status Posting::Settle(const CancelFlag* cancel) {
  const std::scoped_lock lock(wire_->mutex_);
  if (wire_->owed_to_ == this) wire_->TakeOwed(wire_->owed_, cancel);
  return failure_;
}

arrow::Result<Replies> Wire::Run(const Pipeline& pipeline, const CancelFlag* cancel) {
  const std::scoped_lock lock(mutex_);
  return RunLocked(pipeline, cancel);
}

arrow::Result<Replies> Wire::RunBriefly(const Pipeline& pipeline) {
  constexpr std::chrono::milliseconds kBrief{5'000};
  const std::scoped_lock lock(mutex_);
  until_ = std::chrono::steady_clock::now() + std::min(kBrief, std::chrono::milliseconds(address_.timeout_ms));
  auto replies = RunLocked(pipeline, nullptr);
  until_ = std::chrono::steady_clock::time_point::max();
  return replies;
}

arrow::Result<Replies> Wire::RunLocked(const Pipeline& pipeline, const CancelFlag* cancel) {
  if (cancel != nullptr && cancel->is_set()) return Fail(ADBC_STATUS_CANCELLED, "The statement was cancelled");
  TakeOwed(owed_, cancel);
  if (context_ == nullptr) ARROW_RETURN_NOT_OK(Open());
  Replies replies;
  replies.reserve(pipeline.commands());
  arrow::Status sent = Send(pipeline, cancel);
  while (sent.ok() && replies.size() < pipeline.commands()) {
    arrow::Result<Reply> reply = Receive(cancel);
    sent = reply.status();
    if (sent.ok()) replies.push_back(*std::move(reply));
  }
  if (!sent.ok()) {
    Lose(sent);
    return sent;
  }
  for (const Reply& reply : replies) {
    if (reply->type == REDIS_REPLY_ERROR) return StatusOfError(TextOf(*reply));
  }
  return replies;
}

arrow::Result<Reply> Wire::Run(std::initializer_list<std::string_view> words, const CancelFlag* cancel) {
  Pipeline pipeline;
  pipeline.Add(words);
  ARROW_ASSIGN_OR_RAISE(Replies replies, Run(pipeline, cancel));
  return std::move(replies.front());
}

}  // namespace adbc_redis
