#include "cli/progress_tty.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace kiln::cli {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

/// A terminal that knows just what the renderer may use; anything else fails the test.
class Screen {
 public:
  explicit Screen(std::size_t height) : height_(height), lines_(1) {}

  void write(std::string_view text) {
    while (!text.empty()) {
      if (text[0] == '\x1b') {
        text.remove_prefix(take_escape(text));
      } else if (text[0] == '\n') {
        if (++row_ == lines_.size()) lines_.emplace_back();
        column_ = 0;
        text.remove_prefix(1);
      } else if (text[0] == '\r') {
        column_ = 0;
        text.remove_prefix(1);
      } else {
        ASSERT_GE(static_cast<unsigned char>(text[0]), 0x20) << "a control character";
        std::string& line = lines_[row_];
        line.resize(std::max(line.size(), column_ + 1), ' ');
        line[column_++] = text[0];
        text.remove_prefix(1);
      }
    }
  }

  [[nodiscard]] std::string text() const {
    std::string all;
    for (const std::string& line : lines_)
      all += line + "\n";
    return all;
  }
  [[nodiscard]] bool cursor_visible() const { return cursor_visible_; }
  [[nodiscard]] bool cursor_on_last_line() const {
    return row_ + 1 == lines_.size() && column_ == 0;
  }

 private:
  std::size_t take_escape(std::string_view text) {
    const std::size_t end = text.find_first_of("ABCDHJKhlm", 2);
    const std::string_view sequence = text.substr(0, end + 1);
    if (sequence == "\x1b[K") {
      lines_[row_].resize(std::min(lines_[row_].size(), column_));
    } else if (sequence == "\x1b[J") {
      lines_.resize(row_ + 1);
      lines_[row_].resize(column_);
    } else if (sequence.ends_with('A')) {
      const std::size_t up = std::stoul(std::string(sequence.substr(2)));
      EXPECT_LE(up, row_);
      EXPECT_LT(up, height_) << "the region is higher than the terminal";
      row_ -= up;
    } else if (sequence == "\x1b[?25l" || sequence == "\x1b[?25h") {
      cursor_visible_ = sequence.back() == 'h';
    } else {
      EXPECT_TRUE(sequence.ends_with('m')) << "an unexpected sequence";
    }
    return sequence.size();
  }

  std::size_t height_;
  std::vector<std::string> lines_;
  std::size_t row_ = 0;
  std::size_t column_ = 0;
  bool cursor_visible_ = true;
};

TEST(TtyRenderer, WritesTheseBytesForItsFirstFrames) {
  TtyRenderer renderer("Building", false);
  renderer.apply(StepStarted{1, "[1/2] RUN make"}, milliseconds(0));
  EXPECT_EQ(renderer.draw({40, 10}, milliseconds(1200)),
            "\x1b[?25l\r"
            " => [1/2] RUN make                 1.2s\x1b[K\n"
            "[+] Building 1.2s (0 done, 1 running)\x1b[K\n"
            "\x1b[J\x1b[?25h");
  renderer.apply(StepEnded{1, StepOutcome::done, 1300}, milliseconds(1300));
  EXPECT_EQ(renderer.draw({40, 10}, milliseconds(1300)),
            "\x1b[?25l\x1b[2A\r"
            " => [1/2] RUN make                 1.3s\x1b[K\n"
            "[+] Building 1.3s (1 done)\x1b[K\n"
            "\x1b[J\x1b[?25h");
}

TEST(TtyRenderer, LeavesWhatEndedAndRedrawsWhatRuns) {
  Screen screen(12);
  TtyRenderer renderer("Building", true);
  const TerminalSize size{50, 12};
  const auto show = [&](const BuildEvent& event, int ms) {
    renderer.apply(event, milliseconds(ms));
    screen.write(renderer.draw(size, milliseconds(ms)));
  };
  show(StepStarted{1, "[1/3] FROM alpine"}, 0);
  show(StepProgress{1, "sha256:aa", 1'000'000, 4'000'000}, 100);
  EXPECT_EQ(screen.text(),
            " => [1/3] FROM alpine                        0.1s\n"
            " => => sha256:aa 1.00MB / 4.00MB\n"
            "[+] Building 0.1s (0 done, 1 running)\n"
            "\n");
  show(StepEnded{1, StepOutcome::done, 500}, 500);
  show(StepStarted{2, "[2/3] WORKDIR /app"}, 500);
  show(StepEnded{2, StepOutcome::cached, 0}, 500);
  show(StepStarted{3, "[3/3] RUN make all the things that take very long"}, 600);
  show(StepLog{3, 1, "one\ntwo\nthree"}, 1600);
  EXPECT_EQ(screen.text(),
            " => [1/3] FROM alpine                        0.5s\n"
            " => CACHED [2/3] WORKDIR /app                0.0s\n"
            " => [3/3] RUN make all the things that take  1.0s\n"
            " => => one\n"
            " => => two\n"
            " => => three\n"
            "[+] Building 1.6s (1 done, 1 cached, 1 running)\n"
            "\n");
  show(StepEnded{3, StepOutcome::done, 1100}, 1700);
  show(Finished{"b1", "sha256:abc", "", {"app:1"}, {}}, 1700);
  EXPECT_EQ(screen.text(),
            " => [1/3] FROM alpine                        0.5s\n"
            " => CACHED [2/3] WORKDIR /app                0.0s\n"
            " => [3/3] RUN make all the things that take  1.1s\n"
            "[+] Building 1.7s (2 done, 1 cached) FINISHED\n"
            "image sha256:abc\n"
            "named app:1\n"
            "\n");
  EXPECT_TRUE(screen.cursor_visible());
  EXPECT_TRUE(screen.cursor_on_last_line());
}

TEST(TtyRenderer, ShowsTheLogOfAFailedStep) {
  Screen screen(24);
  TtyRenderer renderer("Building", true);
  renderer.apply(StepStarted{1, "[1/1] RUN false"}, milliseconds(0));
  renderer.apply(StepLog{1, 2, "oh no\n"}, milliseconds(0));
  renderer.apply(StepEnded{1, StepOutcome::failed, 0}, milliseconds(0));
  renderer.apply(Failed{Errc::step_failed, "Dockerfile:1: it failed", 1, 3, {"oh no"}},
                 milliseconds(0));
  screen.write(renderer.draw({}, milliseconds(0)));
  EXPECT_THAT(screen.text(), HasSubstr(" => ERROR [1/1] RUN false"));
  EXPECT_THAT(screen.text(), HasSubstr("------\n > [1/1] RUN false:\noh no\n------\n"
                                       "ERROR: Dockerfile:1: it failed\nexit code: 3\n"));
}

TEST(TtyRenderer, StaysInsideAnyTerminal) {
  for (std::size_t rows = 1; rows <= 30; ++rows) {
    for (const std::size_t columns : {1U, 5U, 20U, 80U}) {
      Screen screen(std::max<std::size_t>(rows, 2));
      TtyRenderer renderer("Building", false);
      for (int step = 1; step <= 12; ++step) {
        renderer.apply(StepStarted{step, std::string(100, 'n')}, milliseconds(0));
        renderer.apply(StepProgress{step, std::string(100, 'i'), 1, 9}, milliseconds(0));
        renderer.apply(StepLog{step, 1, "1\n2\n3\n4\n5\n6\n7\n8\n" + std::string(500, 'l')},
                       milliseconds(0));
        screen.write(renderer.draw({columns, rows}, milliseconds(step)));
      }
      const std::string text = screen.text();
      const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
      EXPECT_LE(lines, std::max<std::size_t>(rows, 2)) << rows << " rows";
      for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = text.find('\n', start);
        EXPECT_LE(end - start, std::max<std::size_t>(columns - 1, 1)) << columns << " columns";
        start = end + 1;
      }
    }
  }
}

TEST(TtyRenderer, SaysHowManyStepsDoNotFit) {
  Screen screen(5);
  TtyRenderer renderer("Building", false);
  for (int step = 1; step <= 6; ++step)
    renderer.apply(StepStarted{step, fmt::format("step {}", step)}, milliseconds(0));
  screen.write(renderer.draw({40, 5}, milliseconds(0)));
  EXPECT_EQ(screen.text(),
            " => step 1                         0.0s\n"
            " => step 2                         0.0s\n"
            " => and 4 more\n"
            "[+] Building 0.0s (0 done, 6 running)\n"
            "\n");
}

TEST(TtyRenderer, LetsNoForeignTextControlTheTerminal) {
  Screen screen(24);  // fails on any sequence or control character of its own
  TtyRenderer renderer("Building", true);
  const std::string evil = "x\x1b[10;10H\x1b]0;owned\x07\r\b\x1b[2J";
  renderer.apply(StepStarted{1, evil}, milliseconds(0));
  renderer.apply(StepProgress{1, evil, 1, 2}, milliseconds(0));
  renderer.apply(StepLog{1, 1, evil + "\n" + evil + "\x1b["}, milliseconds(0));
  renderer.apply(Warning{evil + "\n" + evil}, milliseconds(0));
  screen.write(renderer.draw({}, milliseconds(0)));
  renderer.apply(StepEnded{1, StepOutcome::failed, 0}, milliseconds(0));
  renderer.apply(Failed{Errc::step_failed, evil, 1, 1, {evil}}, milliseconds(0));
  screen.write(renderer.draw({}, milliseconds(0)));
  EXPECT_THAT(screen.text(), Not(HasSubstr("owned")));
  EXPECT_THAT(screen.text(), HasSubstr("ERROR: x\n"));
}

TEST(TtyRenderer, ShowsWhatALineThatOverwritesItselfLooksLike) {
  Screen screen(24);
  TtyRenderer renderer("Building", false);
  renderer.apply(StepStarted{1, "RUN curl"}, milliseconds(0));
  renderer.apply(StepLog{1, 1, "10%\r20%\r30%\r"}, milliseconds(0));
  screen.write(renderer.draw({}, milliseconds(0)));
  EXPECT_THAT(screen.text(), HasSubstr(" => => 30%\n"));
  EXPECT_THAT(screen.text(), Not(HasSubstr("10%")));
}

}  // namespace
}  // namespace kiln::cli
