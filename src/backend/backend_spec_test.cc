#include "backend/backend_spec.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>

#include "backend/redaction.h"
#include "support/status_assertions.h"

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kUri = "postgresql://ada:s3cret@db.example:5433/sales?sslmode=require&sslpassword=t0psecret";

TEST(MakeSpec, ReadsOptions) {
  ASSERT_OK_AND_ASSIGN(const auto spec, MakeSpec("Warehouse", kUri,
                                                 {{"DRIVER", false, "postgresql"},
                                                  {"statement_timeout", false, "30 s"},
                                                  {"connect_timeout", false, "3 s"},
                                                  {"dialect", false, "generic"},
                                                  {"pool_max", false, "8"},
                                                  {"pool_min", false, "2"},
                                                  {"pool_wait", false, "500ms"},
                                                  {"idle_max", false, "5 minutes"},
                                                  {"life_max", false, "1 hour"},
                                                  {"metadata_ttl", false, "0s"},
                                                  {"isolate", false, "true"},
                                                  {"adbc.some.option", true, "x"}}));
  EXPECT_EQ(spec.name, "warehouse");
  EXPECT_EQ(spec.driver, "postgresql");
  EXPECT_EQ(spec.statement_timeout, milliseconds(30'000));
  EXPECT_EQ(spec.connect_timeout, milliseconds(3'000));
  EXPECT_EQ(spec.dialect, "generic");
  EXPECT_EQ(spec.pool_max, 8);
  EXPECT_EQ(spec.pool_min, 2);
  EXPECT_EQ(spec.pool_wait, milliseconds(500));
  EXPECT_EQ(spec.idle_max, milliseconds(300'000));
  EXPECT_EQ(spec.life_max, milliseconds(3'600'000));
  EXPECT_EQ(spec.metadata_ttl, milliseconds(0));
  EXPECT_TRUE(spec.isolate);
  EXPECT_EQ(spec.driver_options.at("uri"), kUri);
  EXPECT_EQ(spec.driver_options.at("adbc.some.option"), "x");
}

std::string Refusal(const std::vector<NamedOption>& options) {
  std::vector<NamedOption> all = {{"driver", false, "postgresql"}};
  all.insert(all.end(), options.begin(), options.end());
  return MakeSpec("w", kUri, all).status().message();
}

TEST(MakeSpec, RefusesWithoutAValueThatMayBeSecret) {
  EXPECT_THAT(Refusal({{"pol_max", false, "s3cret"}}), HasSubstr("pol_max (did you mean pool_max?)"));
  for (const auto* name : {"pool_max", "pool_min", "pool_wait", "statement_timeout", "connect_timeout", "dialect",
                           "isolate", "idle_max", "passwort"}) {
    const std::string text = Refusal({{name, false, "s3cret"}});
    EXPECT_THAT(text, HasSubstr(name));
    EXPECT_THAT(text, Not(HasSubstr("s3cret")));
  }
  EXPECT_THAT(Refusal({{"pool_max", false, "0"}}), HasSubstr("from 1 to 1000"));
  EXPECT_THAT(Refusal({{"pool_max", false, "1001"}}), HasSubstr("from 1 to 1000"));
  EXPECT_THAT(Refusal({{"statement_timeout", false, "31 days"}}), HasSubstr("30 days"));
  EXPECT_THAT(Refusal({{"statement_timeout", false, "0 s"}}), HasSubstr("from 1 ms"));
  EXPECT_THAT(Refusal({{"statement_timeout", false, "99999999999999999999 s"}}), HasSubstr("statement_timeout"));
  EXPECT_THAT(Refusal({{"pool_max", false, "2"}, {"pool_min", false, "3"}}), HasSubstr("more than pool_max"));
  EXPECT_THAT(Refusal({{"pool_max", false, "2"}, {"POOL_MAX", false, "3"}}), HasSubstr("given twice"));
  EXPECT_THAT(Refusal({{"uri", true, "x"}}), HasSubstr("URI is given twice"));
  EXPECT_THAT(Refusal({{"driver", true, "x"}}), HasSubstr("without quotes"));
  EXPECT_THAT(MakeSpec("w", kUri, {}).status().message(), HasSubstr("needs a driver"));
  EXPECT_THAT(MakeSpec("w", kUri, {}).status().message(), Not(HasSubstr("s3cret")));
}

std::string Described(const std::string& uri, const std::string& driver = "postgresql") {
  BackendSpec spec;
  spec.driver = driver;
  spec.driver_options["uri"] = uri;
  return Describe(spec);
}

TEST(Describe, SaysWhereWithoutSecrets) {
  EXPECT_EQ(Described(kUri), "postgresql at db.example:5433/sales");
  EXPECT_EQ(Described("postgresql:///sales?host=/run/pg&password=s3cret"), "postgresql at /sales");
  EXPECT_EQ(Described("file:/var/lib/x.db?mode=ro", "sqlite"), "sqlite at /var/lib/x.db");
  EXPECT_EQ(Described("host=a password=s3cret"), "postgresql");
  EXPECT_EQ(Described(""), "postgresql");
}

TEST(Describe, SaysLessWhereAPasswordWasNotEncoded) {
  for (const auto* uri :
       {"postgresql://ada:s3c/ret@host/db", "postgresql://ada:s3@cret@host/db", "postgresql://ada:s3c?ret@host/db",
        "postgresql://ada:s3c#ret@host/db", "s3cret postgresql://host/db", "ada:s3cret@host"}) {
    EXPECT_EQ(Described(uri), "postgresql") << uri;
  }
}

TEST(Redaction, TakesEverySecretOutOfATextEvenInPieces) {
  BackendSpec spec;
  spec.driver_options = {{"uri", "postgresql://ada:s3c/r%20et@host/db?sslpassword=t0psecret&application_name=hs"},
                         {"password", "open/sesame"},
                         {"adbc.token", "abcdef"}};
  const Redaction redaction(spec);
  EXPECT_EQ(redaction.Redact("invalid port \"s3c\" in postgresql://ada:s3c/r%20et@host/db"),
            "invalid port \"***\" in postgresql://***@host/db");
  EXPECT_EQ(redaction.Redact("r et, t0psecret, open/sesame, open%2Fsesame, abcdef, hs"), "***, ***, ***, ***, ***, hs");
  EXPECT_EQ(redaction.Redact("see redis://:other@elsewhere/0 and grpc://elsewhere"),
            "see redis://***@elsewhere/0 and grpc://elsewhere");
}

TEST(Redaction, OfWordsAndOfNothing) {
  BackendSpec spec;
  spec.driver_options = {{"uri", "host=db user=ada password='s3cret' sslkey=k3y"}};
  EXPECT_EQ(Redaction(spec).Redact("ada at db: s3cret, k3y"), "ada at db: ***, ***");
  EXPECT_EQ(Redaction().Redact("as it was"), "as it was");
  spec.driver_options = {{"uri", "host=db s3cret"}};
  EXPECT_EQ(Redaction(spec).Redact("missing \"=\" after \"s3cret\""), "missing \"=\" after \"***\"");
  spec.driver_options = {{"uri", "s3cret"}};
  EXPECT_EQ(Redaction(spec).Redact("missing \"=\" after \"s3cret\""), "missing \"=\" after \"***\"");
  EXPECT_EQ(Described("s3cret"), "postgresql");
  spec.driver_options = {{"uri", "ada:s3cr@et@account/db?warehouse=w4re"}};
  EXPECT_EQ(Redaction(spec).Redact("no ada at account: s3cr@et, s3cr, w4re"), "no ada at account: ***, ***, ***");
  spec.driver_options = {{"adbc.flight.sql.authorization_header", "Bearer t0ken"}};
  EXPECT_EQ(Redaction(spec).Redact("Bearer t0ken, t0ken, Bearer"), "***, ***, Bearer");
  EXPECT_EQ(Described("/var/lib/x.db", "sqlite"), "sqlite at /var/lib/x.db");
}

TEST(PercentEncoding, GoesBothWays) {
  EXPECT_EQ(PercentEncoded("a b/ä~"), "a%20b%2F%C3%A4~");
  EXPECT_EQ(PercentDecoded("a%20b%2F%C3%A4~%4"), "a b/ä~%4");
}

}  // namespace
}  // namespace hyprstream::backend
