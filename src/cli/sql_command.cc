#include "cli/sql_command.h"

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "cli/interrupt_watch.h"
#include "cli/pipe_stream.h"
#include "cli/server_link.h"
#include "cli/sql_shell.h"
#include "cli/statement_runner.h"
#include "cli/statement_splitter.h"

namespace hyprstream::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

arrow::Result<std::string> ReadScript(const std::string& file) {
  constexpr std::int64_t kPartBytes = 1 << 20;
  const bool standard_input = file == "-";
  const auto refuse = [&](std::string_view why) {
    return arrow::Status::IOError("Cannot read ", standard_input ? "standard input" : file, ": ", why);
  };
  const int descriptor = standard_input ? STDIN_FILENO : open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return refuse(std::strerror(errno));
  PipeStream stream(descriptor, /*stop=*/nullptr);
  std::string script;
  while (true) {
    const auto part = stream.Read(kPartBytes);
    if (!part.ok()) return refuse(part.status().message());
    script += (*part)->ToString();
    if ((*part)->size() < kPartBytes) return script;  // not one more read: a terminal would wait for another end
  }
}

arrow::Status RunText(StatementRunner& runner, std::string_view text) {
  StatementSplitter splitter;
  splitter.Add(text);
  while (const auto statement = splitter.Next()) ARROW_RETURN_NOT_OK(runner.Run(*statement));
  const std::string rest = splitter.TakeRest();
  return rest.empty() ? arrow::Status::OK() : runner.Run(rest);
}

arrow::Status RunScripts(StatementRunner& runner, const config::SqlCommand& command) {
  for (const std::string& text : command.statements) ARROW_RETURN_NOT_OK(RunText(runner, text));
  std::string file = command.file;
  if (file.empty() && command.statements.empty()) file = "-";
  if (file.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const std::string script, ReadScript(file));
  return RunText(runner, script);
}

arrow::Status RunCommand(const config::SqlCommand& command, const LinkTarget& target) {
  const bool on_terminal = isatty(STDOUT_FILENO) == 1;
  const bool shell = command.statements.empty() && command.file.empty() && isatty(STDIN_FILENO) == 1;
  if (shell) BlockInterrupts();
  ARROW_ASSIGN_OR_RAISE(const auto link, ServerLink::Open(target));
  StatementRunner runner(*link, {.format = command.format, .interactive = on_terminal});
  if (!shell) return RunScripts(runner, command);
  ARROW_RETURN_NOT_OK(runner.Tables().status());  // says at once when nobody answers
  SqlShell(runner).Run(command.history_file);
  return arrow::Status::OK();
}

int Fail(int exit_code, const arrow::Status& status) {
  std::fprintf(stderr, "hyprstream: %s\n", OneLine(status).c_str());
  return exit_code;
}

}  // namespace

int RunSql(const config::SqlCommand& command) {
  const auto target = ReadLinkTarget(command.client);
  if (!target.ok()) return Fail(kBadUsage, target.status());
  const arrow::Status status = RunCommand(command, *target);
  return status.ok() ? 0 : Fail(kFailed, status);
}

}  // namespace hyprstream::cli
