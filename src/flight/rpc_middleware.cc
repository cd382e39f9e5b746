#include "flight/rpc_middleware.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

#include "flight/status_mapping.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

constexpr std::size_t kHeaderOverheadBytes = 32;  // of each, as HTTP/2 counts

// Counted here once more: gRPC 1.51 counts each HTTP/2 frame of the headers for itself.
arrow::Status CheckHeaders(const fl::CallHeaders& headers) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : headers) bytes += name.size() + value.size() + kHeaderOverheadBytes;
  if (bytes <= kHeaderBytesMax) return arrow::Status::OK();
  return arrow::Status::Invalid("The call's headers take ", bytes, " bytes; at most ", kHeaderBytesMax, " are taken");
}

std::string_view Header(const fl::CallHeaders& headers, std::string_view name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : found->second;
}

}  // namespace

Rpc& Rpc::Of(const fl::ServerCallContext& context) {
  return *static_cast<Rpc*>(context.GetMiddleware(RpcMiddlewareFactory::kKey));
}

void Rpc::set_session(std::string id) {
  const MutexLock lock(mutex_);
  session_ = std::move(id);
}

void Rpc::SendingHeaders(fl::AddCallHeaders* headers) {
  if (!admission_.issued_token.empty()) headers->AddHeader("authorization", "Bearer " + admission_.issued_token);
  if (!admission_.issued_cookie.empty()) {
    headers->AddHeader("set-cookie", std::string(kSessionCookie) + "=" + admission_.issued_cookie);
  }
}

void Rpc::CallCompleted(const arrow::Status& status) {
  if (!report_) return;
  RpcEvent event{.request_id = request_id_,
                 .method = method_,
                 .user = admission_.identity.user,
                 .session = {},
                 .status = status.ok() ? "OK" : status.CodeAsString(),
                 .error = status.ok() ? "" : status.message(),
                 .ms = std::chrono::duration<double, std::milli>(clock_.Now() - started_).count(),
                 .rows = rows_};
  {
    const MutexLock lock(mutex_);
    event.session = session_;
  }
  report_(event);
}

arrow::Status RpcMiddlewareFactory::StartCall(const fl::CallInfo& info, const fl::ServerCallContext& context,
                                              std::shared_ptr<fl::ServerMiddleware>* middleware) {
  std::string request_id = "r" + std::to_string(++calls_);
  const auto status = Guarded([&]() -> arrow::Status {
    const auto& headers = context.incoming_headers();
    ARROW_RETURN_NOT_OK(CheckHeaders(headers));
    ARROW_ASSIGN_OR_RAISE(auto admission,
                          authenticator_.Admit({.authorization = Header(headers, "authorization"),
                                                .token = Header(headers, "auth-token-bin"),
                                                .cookie = Header(headers, "cookie"),
                                                .peer = context.peer(),
                                                .handshake = info.method == fl::FlightMethod::Handshake}));
    *middleware = std::make_shared<Rpc>(request_id, fl::ToString(info.method), context.peer(), std::move(admission),
                                        clock_, report_, memory_);
    return arrow::Status::OK();
  });
  if (!status.ok() && report_) {
    report_({.request_id = std::move(request_id),
             .method = fl::ToString(info.method),
             .user = {},
             .session = {},
             .status = status.IsInvalid() ? "Invalid" : "Unauthenticated",
             .error = status.message()});
  }
  return status;
}

arrow::Status HandshakeHandler::Authenticate(const fl::ServerCallContext& context, fl::ServerAuthSender* outgoing,
                                             fl::ServerAuthReader* incoming) {
  return Guarded([&]() -> arrow::Status {
    if (!context.incoming_headers().contains("authorization")) {  // the old style: the message holds the credentials
      std::string message;
      if (incoming->Read(&message).ok() && !message.empty()) {
        const auto basic = fl::BasicAuth::Deserialize(message);
        if (!basic.ok()) return Unauthenticated("The handshake's message is no BasicAuth");
        ARROW_ASSIGN_OR_RAISE(const auto token, authenticator_.Login(basic->username, basic->password));
        return outgoing->Write(token);
      }
    }
    if (!Rpc::Of(context).authenticated()) return Unauthenticated("This server needs a user name and password");
    return arrow::Status::OK();
  });
}

arrow::Status HandshakeHandler::IsValid(const fl::ServerCallContext&, const std::string&, std::string*) {
  return arrow::Status::OK();
}

}  // namespace hyprstream::flight
