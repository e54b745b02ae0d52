//! Several pictures on one sheet.

use super::Picture;

/// Pixels between pictures.
const GAP: u32 = 4;

/// How many columns a sheet of `count` pictures has.
#[must_use]
pub fn columns(count: usize) -> usize {
    (1..=count.max(1)).find(|c| c * c >= count).unwrap_or(1)
}

/// The pictures in rows, read like text, on a white sheet; each cell is as large as the largest of them.
#[must_use]
pub fn montage(pictures: &[Picture]) -> Picture {
    let columns = columns(pictures.len());
    let rows = pictures.len().div_ceil(columns);
    let cell_w = pictures.iter().map(|p| p.width).max().unwrap_or(1);
    let cell_h = pictures.iter().map(|p| p.height).max().unwrap_or(1);
    let side = |cell: u32, n: usize| (cell + GAP) * (n.max(1) as u32) - GAP;
    let (width, height) = (side(cell_w, columns), side(cell_h, rows));
    let mut rgb = vec![255; width as usize * height as usize * 3];
    for (i, picture) in pictures.iter().enumerate() {
        let left = (i % columns) * (cell_w + GAP) as usize;
        let top = (i / columns) * (cell_h + GAP) as usize;
        let line = picture.width as usize * 3;
        for (y, row) in picture.rgb.chunks_exact(line.max(1)).enumerate() {
            let at = ((top + y) * width as usize + left) * 3;
            rgb[at..at + line].copy_from_slice(row);
        }
    }
    Picture::new(width, height, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_in_rows() {
        let dot = |v: u8| Picture::new(2, 1, vec![v; 6]);
        let sheet = montage(&[dot(1), dot(2), dot(3)]);
        assert_eq!((sheet.width, sheet.height), (8, 6));
        let at = |x: usize, y: usize| sheet.rgb[(y * 8 + x) * 3];
        assert_eq!([at(0, 0), at(6, 0), at(0, 5), at(6, 5), at(3, 0)], [1, 2, 3, 255, 255]);
    }

    #[test]
    fn sheets_are_about_square() {
        assert_eq!([1, 2, 3, 4, 5, 6, 9].map(columns), [1, 2, 2, 2, 3, 3, 3]);
    }
}
