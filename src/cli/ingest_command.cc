#include "cli/ingest_command.h"

#include <arrow/compute/initialize.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <cstdio>
#include <format>

#include "base/clock.h"
#include "base/standard_output.h"
#include "cli/ingest_progress.h"
#include "cli/ingest_run.h"
#include "cli/interrupt_watch.h"
#include "cli/server_link.h"
#include "cli/stop_signal.h"
#include "cli/table_name.h"

namespace hyprstream::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;
constexpr int kInterrupted = 130;  // as a shell says it

IngestProgressOptions ProgressOf(const config::IngestCommand& command) {
  return {.terminal = isatty(STDERR_FILENO) == 1, .quiet = command.quiet, .write = [](std::string_view text) {
            std::fwrite(text.data(), 1, text.size(), stderr);
          }};
}

std::string Counted(std::int64_t count, const char* what) {
  return Grouped(count) + " " + what + (count == 1 ? "" : "s");
}

arrow::Status Summarize(const config::IngestCommand& command, const IngestRun& run, double seconds) {
  const std::string rate = RowRate(run.rows_accepted(), seconds);
  const std::string skipped =
      run.records_skipped() == 0 ? "" : ", " + Counted(run.records_skipped(), "bad record") + " skipped";
  return Print(std::format("{} into {} from {} in {:.2f} s{}{}{}\n", Counted(run.rows_accepted(), "row"), command.table,
                           Counted(static_cast<std::int64_t>(command.files.size()), "file"), seconds,
                           rate.empty() ? "" : ", ", rate, skipped));
}

int Fail(int exit_code, const arrow::Status& status, const std::string& accepted = "") {
  std::fprintf(stderr, "hyprstream: %s%s\n", OneLine(status).c_str(), accepted.c_str());
  return exit_code;
}

}  // namespace

int RunIngest(const config::IngestCommand& command) {
  if (const auto table = ParseTableName(command.table); !table.ok()) return Fail(kBadUsage, table.status());
  const auto target = ReadLinkTarget(command.client);
  if (!target.ok()) return Fail(kBadUsage, target.status());
  BlockInterrupts();
  if (const arrow::Status ready = arrow::compute::Initialize(); !ready.ok()) return Fail(kFailed, ready);
  const SystemClock clock;
  StopSignal stop;
  IngestProgress progress(ProgressOf(command), clock);
  const InterruptWatch watch([&stop] { stop.Raise(); });
  const auto link = ServerLink::Open(*target);
  if (!link.ok()) return Fail(kFailed, link.status());
  IngestRun run(command, {.link = **link, .clock = clock, .stop = stop, .progress = progress});
  arrow::Status status = run.Run();
  progress.Finish();
  if (status.ok()) {
    status = Summarize(command, run, progress.seconds());
    if (status.ok()) return 0;
  }
  const std::string accepted =
      Counted(run.rows_accepted(), "row") + (run.rows_accepted() == 1 ? " was" : " were") + " accepted";
  if (!stop.raised()) return Fail(kFailed, status, "; " + accepted);
  std::fprintf(stderr, "hyprstream: Interrupted; %s\n", accepted.c_str());
  return kInterrupted;
}

}  // namespace hyprstream::cli
