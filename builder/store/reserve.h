// Some space that is kept aside, so that there is room to clean up on a full disk: removing rows
// makes SQLite's log longer before it makes anything shorter.
//
// thread  any
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>

namespace kiln::store {

class Reserve {
 public:
  static constexpr std::uint64_t kBytes = 1024 * 1024;

  /// The space is free until fill(): opening a store needs some.
  explicit Reserve(const std::filesystem::path& root);
  /// Takes the space for the next owner.
  ~Reserve() { fill_locked(); }
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;

  /// Takes the space, or as much of it as the disk has. Never fails: a store without a reserve
  /// works.
  void fill() noexcept;
  /// Frees the space.
  void release() noexcept;

  /// The space, for the life of the object; then it is taken again.
  class Use {
   public:
    explicit Use(Reserve& reserve) : reserve_(reserve) { reserve_.release(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() { reserve_.give_back(); }

   private:
    Reserve& reserve_;
  };

 private:
  void give_back() noexcept;
  void fill_locked() noexcept;

  std::filesystem::path file_;
  std::mutex mutex_;
  int users_ = 0;
};

}  // namespace kiln::store
