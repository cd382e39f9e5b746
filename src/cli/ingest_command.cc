#include "cli/ingest_command.h"

#include <arrow/compute/initialize.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <cstdio>

#include "base/clock.h"
#include "cli/ingest_progress.h"
#include "cli/ingest_run.h"
#include "cli/interrupt_watch.h"
#include "cli/server_link.h"
#include "cli/stop_signal.h"

namespace hyprstream::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kInterrupted = 130;  // as a shell says it

IngestProgressOptions ProgressOf(const config::IngestCommand& command) {
  return {.terminal = isatty(STDERR_FILENO) == 1, .quiet = command.quiet, .write = [](std::string_view text) {
            std::fwrite(text.data(), 1, text.size(), stderr);
          }};
}

std::string Counted(std::int64_t count, const char* what) {
  return Grouped(count) + " " + what + (count == 1 ? "" : "s");
}

void Summarize(const config::IngestCommand& command, const IngestRun& run, double seconds) {
  const std::string rate = RowRate(run.rows_accepted(), seconds);
  const std::string skipped =
      run.records_skipped() == 0 ? "" : ", " + Counted(run.records_skipped(), "bad record") + " skipped";
  std::printf("%s into %s from %s in %.2f s%s%s%s\n", Counted(run.rows_accepted(), "row").c_str(),
              command.table.c_str(), Counted(static_cast<std::int64_t>(command.files.size()), "file").c_str(), seconds,
              rate.empty() ? "" : ", ", rate.c_str(), skipped.c_str());
}

int Fail(const arrow::Status& status, const std::string& accepted) {
  std::fprintf(stderr, "hyprstream: %s%s\n", OneLine(status).c_str(), accepted.c_str());
  return kFailed;
}

}  // namespace

int RunIngest(const config::IngestCommand& command) {
  BlockInterrupts();
  if (const arrow::Status ready = arrow::compute::Initialize(); !ready.ok()) return Fail(ready, "");
  const SystemClock clock;
  StopSignal stop;
  IngestProgress progress(ProgressOf(command), clock);
  const InterruptWatch watch([&stop] { stop.Raise(); });
  const auto link = ServerLink::Open(command.client);
  if (!link.ok()) return Fail(link.status(), "");
  IngestRun run(command, {.link = **link, .clock = clock, .stop = stop, .progress = progress});
  const arrow::Status status = run.Run();
  progress.Finish();
  if (status.ok()) {
    Summarize(command, run, progress.seconds());
    return 0;
  }
  const std::string accepted =
      Counted(run.rows_accepted(), "row") + (run.rows_accepted() == 1 ? " was" : " were") + " accepted";
  if (!stop.raised()) return Fail(status, "; " + accepted);
  std::fprintf(stderr, "hyprstream: Interrupted; %s\n", accepted.c_str());
  return kInterrupted;
}

}  // namespace hyprstream::cli
