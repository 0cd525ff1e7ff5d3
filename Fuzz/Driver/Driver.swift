// Hands libFuzzer's bytes to the target that LOADER_FUZZ_TARGET names, or writes its seeds.

import Foundation
import HostileInput

/// The target of this process.
let target: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["LOADER_FUZZ_TARGET"] ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: " ")
        print("no fuzz target '\(name)'; there are: \(names)")
        exit(64)
    }
    return target
}()

/// libFuzzer asks this once: with LOADER_FUZZ_SEEDS, seeds are written to that folder, from the files that the further
/// arguments name, and nothing is fuzzed.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>>>
) -> CInt {
    guard let folder = ProcessInfo.processInfo.environment["LOADER_FUZZ_SEEDS"] else { return 0 }
    let fixtures = CommandLine.arguments.dropFirst().compactMap { FileManager.default.contents(atPath: $0) }
    for (index, seed) in target.seeds(fixtures.map { Array($0) }).enumerated() {
        guard FileManager.default.createFile(atPath: "\(folder)/seed-\(index)", contents: Data(seed)) else { exit(73) }
    }
    exit(0)
}

/// One input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let violations = target.run(Array(UnsafeBufferPointer(start: start, count: count)))
    if !violations.isEmpty {
        FileHandle.standardError.write(Data("broken promises: \(violations.joined(separator: "; "))\n".utf8))
        abort()
    }
    return 0
}
