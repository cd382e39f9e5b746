#include "http/http_server.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>

namespace hyprstream::http {
namespace {

using ::testing::HasSubstr;

TEST(HttpServer, ServesItsPages) {
  std::atomic<bool> ready = false;
  auto server = HttpServer::Start({.host = "127.0.0.1", .port = 0},
                                  {.unready = [&] { return std::string(ready ? "" : "starting"); },
                                   .metrics =
                                       [] {
                                         return std::vector<Metric>{{.name = "rows_total",
                                                                     .help = "Rows.",
                                                                     .kind = MetricKind::kCounter,
                                                                     .samples = {{{{"table", "a\"b"}}, 3}}}};
                                       }})
                    .ValueOrDie();
  httplib::Client client("127.0.0.1", server->port());
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  EXPECT_EQ(client.Get("/readyz")->body, "not ready: starting\n");
  ready = true;
  EXPECT_EQ(client.Get("/readyz")->status, 200);
  EXPECT_THAT(client.Get("/metrics")->body, HasSubstr("# TYPE rows_total counter\nrows_total{table=\"a\\\"b\"} 3"));
  EXPECT_EQ(client.Get("/nothing")->status, 404);
  server->Stop();
  server->Stop();
}

TEST(HttpServer, APortInUseIsAnError) {
  const HttpSources sources{.unready = [] { return std::string(); }, .metrics = [] { return std::vector<Metric>(); }};
  auto first = HttpServer::Start({.host = "127.0.0.1", .port = 0}, sources).ValueOrDie();
  const arrow::Status status = HttpServer::Start({.host = "127.0.0.1", .port = first->port()}, sources).status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), HasSubstr("--http-port"));
}

}  // namespace
}  // namespace hyprstream::http
