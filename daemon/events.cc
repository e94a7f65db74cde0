#include "daemon/events.h"

#include <utility>

#include "proto/error.h"

namespace kiln::daemon {

namespace asio = boost::asio;

namespace {

/// How much output of a command is put in one event while the client is busy with older ones.
constexpr std::size_t kMaxJoinedBytes = 32 * 1024;
constexpr std::size_t kReadBackBytes = 256 * 1024;

/// Later ones say it again, except for the last.
bool is_passing(const BuildEvent& event) {
  const auto* progress = std::get_if<StepProgress>(&event);
  return progress && progress->current_bytes != progress->total_bytes;
}

}  // namespace

EventQueue::EventQueue(asio::any_io_executor executor, Limits limits)
    : executor_(executor),
      limits_(std::move(limits)),
      spill_(limits_.spill_directory),
      cut_off_(executor) {}

void EventQueue::push(BuildEvent event) {
  if (ended_) return;
  if (auto* log = std::get_if<StepLog>(&event)) {
    join_log(std::move(*log));
  } else if (!is_passing(event) || spill_.size_bytes() == 0) {
    if (const auto* step = std::get_if<StepEnded>(&event)) {
      for (StepLog& rest : text_.finish(step->step)) {
        flush_log();
        joined_ = std::move(rest);
      }
    }
    flush_log();
    write_line(event);
  }
  wake();
}

void EventQueue::finish(BuildEvent last) {
  if (ended_) return;
  for (StepLog& rest : text_.finish(std::nullopt)) {
    flush_log();
    joined_ = std::move(rest);
  }
  flush_log();
  write_line(last);
  ended_ = true;
  wake();
}

void EventQueue::abandon() {
  ended_ = true;
  joined_.reset();
  lines_.clear();
  spill_ = Spill(limits_.spill_directory);
  wake();
}

asio::awaitable<std::string> EventQueue::pop() {
  while (!has_bytes() && !ended_) {
    os::Event woken(executor_);
    const auto forget = [this](os::Event*) noexcept { popper_ = nullptr; };
    const std::unique_ptr<os::Event, decltype(forget)> registered(popper_ = &woken, forget);
    co_await woken.wait();
  }
  if (lines_.empty() && spill_.size_bytes() != 0) {
    try {
      co_return spill_.take(kReadBackBytes);
    } catch (const Error& error) {
      cut(error.what());
    }
  }
  if (lines_.empty()) flush_log();
  co_return std::exchange(lines_, {});
}

void EventQueue::join_log(StepLog log) {
  const int step = log.step;
  const int stream = log.stream;
  std::string text = text_.add(std::move(log));
  if (text.empty()) return;
  if (joined_ && joined_->step == step && joined_->stream == stream &&
      joined_->text.size() < kMaxJoinedBytes) {
    joined_->text += text;
    return;
  }
  flush_log();
  joined_ = StepLog{step, stream, std::move(text)};
}

void EventQueue::flush_log() {
  if (joined_ && !ended_) write_line(*std::exchange(joined_, std::nullopt));
}

void EventQueue::write_line(const BuildEvent& event) {
  if (ended_) return;  // cut off in between
  std::string line = to_json(event) + "\n";
  if (spill_.size_bytes() == 0 && lines_.size() + line.size() <= limits_.memory_bytes) {
    lines_ += line;
  } else if (spill_.size_bytes() + line.size() > limits_.spill_bytes) {
    cut(fmt::format("the client reads too slowly: over {} bytes of events wait for it",
                    limits_.spill_bytes));
  } else {
    try {
      spill_.append(line);
    } catch (const Error& error) {
      cut(error.what());
    }
  }
}

void EventQueue::cut(std::string why) {
  abandon();
  lines_ = to_json(BuildEvent{Failed{Errc::unavailable, std::move(why), {}, {}, {}}}) + "\n";
  cut_off_.set();
}

void EventQueue::wake() {
  if (popper_) popper_->set();
}

bool EventQueue::has_bytes() const noexcept {
  return joined_ || !lines_.empty() || spill_.size_bytes() != 0;
}

}  // namespace kiln::daemon
