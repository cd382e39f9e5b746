#include "http/http_server.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <httplib.h>
#include <pthread.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <utility>

namespace hyprstream::http {
namespace {

constexpr std::size_t kThreads = 2;
constexpr std::size_t kWaitingMax = 64;
constexpr std::size_t kBodyBytesMax = 4096;
constexpr std::chrono::seconds kPatience{5};

}  // namespace

HttpServer::HttpServer(HttpSources sources)
    : sources_(std::move(sources)), server_(std::make_unique<httplib::Server>()) {
  server_->new_task_queue = [] { return new httplib::ThreadPool(kThreads, kThreads, kWaitingMax); };
  server_->set_payload_max_length(kBodyBytesMax);
  server_->set_read_timeout(kPatience);
  server_->set_write_timeout(kPatience);
  server_->set_keep_alive_timeout(kPatience.count());
  // Not SO_REUSEPORT, the library's default: two servers on one port must not both start.
  server_->set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
}

void HttpServer::AddPages() {
  server_->Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain");
  });
  server_->Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    const std::string why = sources_.unready();
    response.status = why.empty() ? 200 : 503;
    response.set_content(why.empty() ? "ready\n" : "not ready: " + why + "\n", "text/plain");
  });
  server_->Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content(RenderMetrics(sources_.metrics()), "text/plain; version=0.0.4; charset=utf-8");
  });
}

arrow::Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpOptions options, HttpSources sources) {
  std::unique_ptr<HttpServer> http(new HttpServer(std::move(sources)));
  http->AddPages();
  if (options.port == 0) {
    http->port_ = http->server_->bind_to_any_port(options.host);
  } else if (http->server_->bind_to_port(options.host, options.port)) {
    http->port_ = options.port;
  }
  if (http->port_ <= 0) {
    return arrow::Status::IOError("Cannot listen on ", options.host, ":", options.port,
                                  " for HTTP; is it in use? Choose another --http-port or --http-host");
  }
  http->acceptor_ = std::thread([server = http->server_.get()] { server->listen_after_bind(); });
  pthread_setname_np(http->acceptor_.native_handle(), "hs-http");
  http->server_->wait_until_ready();
  return http;
}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Stop() {
  server_->stop();
  if (acceptor_.joinable()) acceptor_.join();
}

}  // namespace hyprstream::http
