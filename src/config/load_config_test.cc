#include "config/load_config.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/config_fields.h"

namespace hyprstream::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LoadConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  std::string ErrorOf(const ConfigInputs& inputs) { return LoadConfig(inputs).status().message(); }
  std::string ErrorOfFile(const std::string& text) { return ErrorOf({.file = Write("h.toml", text)}); }

  std::filesystem::path folder_;
};

TEST_F(LoadConfigTest, DefaultsAreValid) {
  const LoadedConfig config = LoadConfig({}).ValueOrDie();
  EXPECT_EQ(config.values.host, "127.0.0.1");
  EXPECT_EQ(config.values.port, 31337);
  EXPECT_EQ(config.values.http_port, std::nullopt);
  EXPECT_EQ(config.values.sql_bytes_max, 1 << 20);
  EXPECT_GT(config.values.memory_max, 0);
  EXPECT_EQ(config.origins.at("port"), "default");
}

TEST_F(LoadConfigTest, FlagsOverEnvironmentOverFile) {
  const std::string file = Write("h.toml", "port = 1\nthreads = 2\n\nmemory_max = '8GiB'\nhttp_port = 9\n");
  const LoadedConfig config = LoadConfig({.flags = {{"port", "3"}},
                                          .environment = {{"HYPRSTREAM_PORT", "2"}, {"HYPRSTREAM_THREADS", "4"}},
                                          .file = file})
                                  .ValueOrDie();
  EXPECT_EQ(config.values.port, 3);
  EXPECT_EQ(config.values.threads, 4);
  EXPECT_EQ(config.values.memory_max, 8LL << 30);
  EXPECT_EQ(config.values.http_port, 9);
  EXPECT_EQ(config.origins.at("port"), "flag --port");
  EXPECT_EQ(config.origins.at("threads"), "environment HYPRSTREAM_THREADS");
  EXPECT_EQ(config.origins.at("memory_max"), "file " + file + ", line 4");
}

TEST_F(LoadConfigTest, TheFileMayBeNamedByTheEnvironment) {
  const std::string file = Write("h.toml", "port = 5\n");
  EXPECT_EQ(LoadConfig({.environment = {{"HYPRSTREAM_CONFIG", file}}}).ValueOrDie().values.port, 5);
  EXPECT_THAT(ErrorOf({.file = "/nowhere/h.toml"}), HasSubstr("/nowhere/h.toml: No such file"));
}

TEST_F(LoadConfigTest, UnknownNamesSuggestTheNearest) {
  EXPECT_THAT(ErrorOfFile("\nmemory_mx = 1\n"),
              HasSubstr("line 2: unknown setting 'memory_mx' (did you mean memory_max?)"));
  EXPECT_THAT(ErrorOf({.environment = {{"HYPRSTREAM_PROT", "1"}}}),
              HasSubstr("HYPRSTREAM_PROT (did you mean HYPRSTREAM_PORT?)"));
  EXPECT_THAT(ErrorOfFile("[users.a]\ntokn = 'x'\n"), HasSubstr("no key 'tokn' (did you mean token?)"));
}

TEST_F(LoadConfigTest, BadValuesNameSettingValueAndOrigin) {
  EXPECT_THAT(ErrorOf({.flags = {{"port", "65536"}}}),
              HasSubstr("port (flag --port): 65536 is out of range; use 0 to 65535"));
  EXPECT_THAT(ErrorOf({.environment = {{"HYPRSTREAM_MEMORY_MAX", "8XB"}}}),
              HasSubstr("memory_max (environment HYPRSTREAM_MEMORY_MAX): '8XB' is not a size"));
  EXPECT_THAT(ErrorOfFile("log_format = 'jsn'\n"), HasSubstr("'jsn' is not one of text, json (did you mean json?)"));
  EXPECT_THAT(ErrorOfFile("port = [1]\n"), HasSubstr("line 1: port must be text"));
  EXPECT_THAT(ErrorOfFile("port = \n"), HasSubstr("line 1"));
}

TEST_F(LoadConfigTest, SettingsThatContradictEachOtherAreRefused) {
  EXPECT_THAT(ErrorOf({.flags = {{"tls_cert", "a.pem"}}}), HasSubstr("give tls_key too"));
  EXPECT_THAT(ErrorOf({.flags = {{"host", "0.0.0.0"}}}), HasSubstr("--insecure"));
  EXPECT_TRUE(LoadConfig({.flags = {{"host", "0.0.0.0"}, {"insecure", "true"}}}).ok());
  EXPECT_TRUE(LoadConfig({.flags = {{"host", "127.9.0.1"}}}).ok());
  EXPECT_TRUE(
      LoadConfig({.flags = {{"host", "0.0.0.0"}}, .environment = {{"HYPRSTREAM_USERS", "a = { token = 't' }"}}}).ok());
  EXPECT_THAT(ErrorOfFile("[users.a]\ntoken = 't'\n[users.b]\ntoken = 't'\n"), HasSubstr("tokens must differ"));
}

TEST_F(LoadConfigTest, UsersComeFromTheFileAndFromFilesBesideIt) {
  Write("secret", "s3cret\n");
  const std::string file = Write("h.toml",
                                 "[users.alice]\ntoken_file = 'secret'\nadmin = true\n"
                                 "[users.bob]\npassword_hash = '$6$abc$def'\n");
  const LoadedConfig config = LoadConfig({.file = file}).ValueOrDie();
  ASSERT_EQ(config.values.users.size(), 2u);
  EXPECT_EQ(config.values.users[0].token, "s3cret");
  EXPECT_TRUE(config.values.users[0].admin);
  EXPECT_FALSE(config.values.users[1].admin);
  EXPECT_THAT(ErrorOfFile("[users.a]\nadmin = true\n"), HasSubstr("needs token"));
  EXPECT_THAT(ErrorOfFile("[users.a]\npassword_hash = 'plain'\n"), HasSubstr("not a crypt(3) hash"));
  EXPECT_THAT(ErrorOfFile("[users.a]\ntoken_file = 'missing'\n"), HasSubstr("missing"));
}

TEST_F(LoadConfigTest, AFlagSwitchesOffWhatOthersSwitchedOn) {
  const std::string file = Write("h.toml", "insecure = true\nclient_attach = true\n");
  const LoadedConfig config = LoadConfig({.flags = {{"insecure", "false"}, {"core_dumps", "false"}},
                                          .environment = {{"HYPRSTREAM_CORE_DUMPS", "true"}},
                                          .file = file})
                                  .ValueOrDie();
  EXPECT_FALSE(config.values.insecure);
  EXPECT_FALSE(config.values.core_dumps);
  EXPECT_TRUE(config.values.client_attach);
  EXPECT_THAT(ErrorOf({.flags = {{"insecure", "maybe"}}}),
              HasSubstr("insecure (flag --insecure): 'maybe' is neither true nor false"));
}

TEST_F(LoadConfigTest, UsersOfTheEnvironmentAreAtLeastOne) {
  const std::string file = Write("h.toml", "[users.alice]\ntoken = 't'\n");
  for (const char* none : {"", " \n", "# alice = { token = 't' }"}) {
    EXPECT_THAT(ErrorOf({.environment = {{"HYPRSTREAM_USERS", none}}, .file = file}),
                HasSubstr("HYPRSTREAM_USERS names no user; unset it"));
  }
}

TEST_F(LoadConfigTest, AUserHasAName) {
  EXPECT_THAT(ErrorOfFile("\n[users.'']\ntoken = 't'\n"), HasSubstr("line 2, user : a user needs a name"));
  EXPECT_THAT(ErrorOf({.environment = {{"HYPRSTREAM_USERS", "'' = { token = 't' }"}}}),
              HasSubstr("a user needs a name"));
}

TEST_F(LoadConfigTest, ErrorsInTheFileQuoteNothingOfIt) {
  for (const char* value : {"tr1ckysecret", "s3cretvalue", "12345secret", "'x' secret", "\"x\\q", "inf1secret",
                            "0xsecret", "2026-13-99secret", "false-secret", "[secret", "{ secret }", "\"secret"}) {
    const std::string error = ErrorOfFile(std::string("[users.a]\ntoken = ") + value + "\n");
    EXPECT_THAT(error, HasSubstr("h.toml, line ")) << value;
    EXPECT_THAT(error, HasSubstr(", column ")) << value;
    EXPECT_THAT(error, HasSubstr("Error while parsing ")) << value;
    EXPECT_THAT(error.substr(error.find(", line ")), Not(::testing::ContainsRegex("['\"]|secret|tr1|s3c|saw")))
        << error;
  }
  EXPECT_THAT(ErrorOfFile("port = 1\nport = 2\n"),
              HasSubstr("line 2, column 8: Error while parsing key-value pair: it is there already"));
}

TEST_F(LoadConfigTest, PathsMeanTheSameToEverybody) {
  EXPECT_THAT(ErrorOf({.flags = {{"data", "~/d"}}}),
              HasSubstr("data (flag --data): '~/d' begins with ~, which only a shell replaces"));
  EXPECT_THAT(ErrorOfFile("\ntls_cert = '~alice/c.pem'\n"), HasSubstr("line 2): '~alice/c.pem' begins with ~"));
  EXPECT_THAT(ErrorOf({.flags = {{"data", "d?x"}}}), HasSubstr("/d?x' holds a question mark; choose"));
  EXPECT_THAT(ErrorOf({.flags = {{"data", "s3://bucket/d"}}}), HasSubstr("'s3://bucket/d' is a URL"));
  for (const char* good : {"./~/d", "d~", "a:b", ""}) EXPECT_TRUE(LoadConfig({.flags = {{"data", good}}}).ok()) << good;
}

TEST_F(LoadConfigTest, AddressesMayBeInBrackets) {
  const LoadedConfig config = LoadConfig({.flags = {{"host", "[::1]"}, {"http_host", "[::1]"}}}).ValueOrDie();
  EXPECT_EQ(config.values.host, "::1");
  EXPECT_EQ(config.values.http_host, "::1");
  EXPECT_TRUE(LoadConfig({.flags = {{"host", "0:0:0:0:0:0:0:1"}}}).ok());
  EXPECT_THAT(ErrorOf({.flags = {{"host", "[::]"}}}), HasSubstr("host :: can be reached by others"));
}

TEST_F(LoadConfigTest, RenderingHidesSecretsAndShowsOrigins) {
  const std::string file = Write("h.toml", "[users.alice]\ntoken = 's3cret'\npassword_hash = '$6$abc$def'\n");
  const std::string text = RenderConfig(LoadConfig({.flags = {{"port", "7"}}, .file = file}).ValueOrDie());
  EXPECT_THAT(text, HasSubstr("# flag --port"));
  EXPECT_THAT(text, HasSubstr("token = \"***\""));
  EXPECT_THAT(text, Not(HasSubstr("s3cret")));
  EXPECT_THAT(text, Not(HasSubstr("$6$")));
}

TEST_F(LoadConfigTest, RenderedSettingsLoadAgain) {
  const LoadedConfig before = LoadConfig({.flags = {{"port", "7"}, {"data", "a\"\\b"}}}).ValueOrDie();
  const LoadedConfig after = LoadConfig({.file = Write("again.toml", RenderConfig(before))}).ValueOrDie();
  for (const ConfigField& field : ConfigFields()) {
    EXPECT_EQ(field.get(before.values), field.get(after.values)) << field.name;
  }
}

// The document is written by hand around the generated table. HYPRSTREAM_SOURCE_DIR comes from the build.
TEST(ConfigurationDocument, HoldsTheReferenceTable) {
  std::ifstream file(HYPRSTREAM_SOURCE_DIR "/docs/configuration.md");
  ASSERT_TRUE(file) << "docs/configuration.md is missing";
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find(RenderReference()), std::string::npos) << "docs/configuration.md must hold this table:\n"
                                                                   << RenderReference();
}

}  // namespace
}  // namespace hyprstream::config
