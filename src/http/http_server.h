// The pages for machines that watch: /healthz (the process lives), /readyz (it takes connections), /metrics.
//
// Thread safety: Stop() from any thread, the callbacks are called from the server's own threads.
// Ownership: one accepting thread and a small pool, all joined by Stop(), which the destructor calls. What the
// callbacks touch outlives the server.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "http/metric.h"

namespace arrow {
template <class T>
class Result;
}
namespace httplib {
class Server;
}

namespace hyprstream::http {

struct HttpOptions {
  std::string host;
  int port = 0;  // 0: a free one
};

struct HttpSources {
  std::function<std::string()> unready;  // why it takes no calls; empty: it does
  std::function<std::vector<Metric>()> metrics;
};

class HttpServer {
 public:
  // Listens from now on. IOError when the address cannot be had (the message names it and says what to do).
  static arrow::Result<std::unique_ptr<HttpServer>> Start(HttpOptions options, HttpSources sources);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const { return port_; }
  void Stop();  // idempotent

 private:
  explicit HttpServer(HttpSources sources);
  void AddPages();

  HttpSources sources_;
  std::unique_ptr<httplib::Server> server_;
  std::thread acceptor_;
  int port_ = 0;
};

}  // namespace hyprstream::http
