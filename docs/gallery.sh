#!/usr/bin/env bash
# Makes docs/gallery.md and its pictures from the samples: one of each technique.
#   cargo build --release && bash docs/gallery.sh target/release/gradlens
# Needs jq and ImageMagick's convert. Takes about four minutes on two cores.
set -euo pipefail
program=$(realpath "${1:?give the program}")
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
images=docs/images/gallery
mkdir -p "$images"

photo=samples/photos/german_shepherd.jpg
painting=samples/paintings/village_street_auvers.jpg

# What a technique is run on beside its defaults.
arguments() {
  case $1 in
    class-visualization) echo "--class flamingo" ;;
    feature-visualization) echo "--layer blocks.3.2 --set channels=3,17,40,52" ;;
    deepdream) echo "samples/photos/hen.jpg" ;;
    fooling) echo "$photo --target goldfish" ;;
    pgd) echo "$photo --target 592 --set epsilon=4/255 --set step_size=1/255 --set steps=20" ;;
    universal) echo "samples/photos" ;;
    style-transfer) echo "$photo --style $painting --set preset=fine" ;;
    *) echo "$photo" ;;
  esac
}

page=docs/gallery.md
{
  echo "# Gallery"
  echo
  echo "One picture of each technique, made by \`bash docs/gallery.sh target/release/gradlens\`. Attacks show the picture"
  echo "that fools and what was added to it, magnified."
} > "$scratch/page.md"

group=
"$program" techniques --json | jq -r '.[] | [.group, .id, .about] | @tsv' > "$scratch/list.tsv"
while IFS=$'\t' read -r of id about; do
  if [ "$of" != "$group" ]; then
    group=$of
    printf '\n## %s\n\n| picture | technique | command |\n|---|---|---|\n' "${group^}" >> "$scratch/page.md"
  fi
  # shellcheck disable=SC2046
  "$program" run "$id" $(arguments "$id") --json --out "$scratch/$id" > /dev/null
  shown="$scratch/$id/result.png"
  [ -f "$scratch/$id/overlay.png" ] && shown="$scratch/$id/overlay.png"
  if [ -f "$scratch/$id/perturbation.png" ]; then
    convert "$shown" "$scratch/$id/perturbation.png" -resize x224 +append "$scratch/$id/pair.png"
    shown="$scratch/$id/pair.png"
  fi
  convert "$shown" -resize '512x320>' -quality 85 -strip "$images/$id.jpg"
  printf '| ![%s](images/gallery/%s.jpg) | **%s**: %s | `gradlens run %s %s --out o` |\n' \
    "$id" "$id" "$id" "${about//|/\\|}" "$id" "$(arguments "$id")" >> "$scratch/page.md"
done < "$scratch/list.tsv"
mv "$scratch/page.md" "$page"
