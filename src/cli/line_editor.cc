#include "cli/line_editor.h"

#include <histedit.h>
#include <sys/stat.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <filesystem>
#include <utility>

namespace hyprstream::cli {
namespace {

constexpr int kHistoryEntries = 2000;
constexpr std::size_t kShownCandidates = 60;

bool EndsWord(char c) { return std::string_view(" \t\n(),;=<>+-*/'\"").contains(c); }

std::string SharedStart(const std::vector<std::string>& words) {
  std::string start = words.front();
  for (const std::string& word : words) {
    const auto [end, other] = std::ranges::mismatch(start, word);
    start.erase(end, start.end());
  }
  return start;
}

class EditLineEditor final : public LineEditor {
 public:
  EditLineEditor(std::string history_file, Complete complete)
      : history_file_(std::move(history_file)), complete_(std::move(complete)) {
    std::setlocale(LC_CTYPE, "");
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, kHistoryEntries);
    history(history_, &event, H_SETUNIQUE, 1);
    if (!history_file_.empty()) history(history_, &event, H_LOAD, history_file_.c_str());
    edit_ = el_init("hyprstream", stdin, stdout, stderr);
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(edit_, EL_PROMPT, &EditLineEditor::Prompt);
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_HIST, history, history_);
    el_set(edit_, EL_ADDFN, "hs-complete", "complete the word", &EditLineEditor::OnTab);
    el_set(edit_, EL_BIND, "^I", "hs-complete", nullptr);
    el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    // Ctrl-C is a key here, not a signal: it drops the line and not the shell.
    el_set(edit_, EL_ADDFN, "hs-interrupt", "drop the line", &EditLineEditor::OnInterrupt);
    el_set(edit_, EL_BIND, "^C", "hs-interrupt", nullptr);
    el_set(edit_, EL_SETTY, "-d", "-isig", nullptr);
    el_source(edit_, nullptr);
  }

  ~EditLineEditor() override {
    if (!history_file_.empty()) {
      std::error_code ignored;
      std::filesystem::create_directories(std::filesystem::path(history_file_).parent_path(), ignored);
      HistEvent event;
      history(history_, &event, H_SAVE, history_file_.c_str());
      chmod(history_file_.c_str(), S_IRUSR | S_IWUSR);
    }
    el_end(edit_);
    history_end(history_);
  }

  Input Read(const std::string& prompt) override {
    prompt_ = prompt;
    interrupted_ = false;
    int length = 0;
    const char* line = el_gets(edit_, &length);
    if (interrupted_) return {Outcome::kInterrupted, {}};
    if (line == nullptr || length <= 0) return {Outcome::kEnd, {}};
    return {Outcome::kLine, std::string(line, static_cast<std::size_t>(length))};
  }

  void Remember(const std::string& statement) override {
    HistEvent event;
    history(history_, &event, H_ENTER, statement.c_str());
  }

 private:
  static EditLineEditor& Self(EditLine* edit) {
    void* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return *static_cast<EditLineEditor*>(self);
  }
  static char* Prompt(EditLine* edit) { return Self(edit).prompt_.data(); }

  static unsigned char OnInterrupt(EditLine* edit, int) {
    Self(edit).interrupted_ = true;
    std::fputs("^C\n", stdout);
    return CC_EOF;
  }

  static unsigned char OnTab(EditLine* edit, int) {
    const LineInfo* info = el_line(edit);
    const char* begin = info->cursor;
    while (begin > info->buffer && !EndsWord(begin[-1])) --begin;
    const std::string_view word(begin, static_cast<std::size_t>(info->cursor - begin));
    const std::vector<std::string> candidates = Self(edit).complete_(word);
    if (candidates.empty()) return CC_REFRESH_BEEP;
    const std::string start = SharedStart(candidates);
    if (candidates.size() == 1 || start.size() > word.size()) {
      el_deletestr(edit, static_cast<int>(word.size()));
      el_insertstr(edit, (candidates.size() == 1 ? start + " " : start).c_str());
      return CC_REFRESH;
    }
    std::fputc('\n', stdout);
    for (std::size_t i = 0; i < std::min(candidates.size(), kShownCandidates); ++i) {
      std::printf("%s  ", candidates[i].c_str());
    }
    std::fputs(candidates.size() > kShownCandidates ? "...\n" : "\n", stdout);
    return CC_REDISPLAY;
  }

  const std::string history_file_;
  const Complete complete_;
  std::string prompt_;
  bool interrupted_ = false;
  History* history_ = nullptr;
  EditLine* edit_ = nullptr;
};

}  // namespace

std::unique_ptr<LineEditor> LineEditor::Make(std::string history_file, Complete complete) {
  return std::make_unique<EditLineEditor>(std::move(history_file), std::move(complete));
}

}  // namespace hyprstream::cli
