//! Selections by sets of components against the same components of dense tensors.

use proptest::prelude::*;
use tch::{Kind, Tensor};

use super::Selected;
use crate::device::{on_test_device, random_tensor, test_device};
use crate::sift::sampled::dense_gradient;
use crate::sift::select::{Criterion, GradientSum, Structure, select};

const STRUCTURES: [Structure; 5] = [
    Structure::Columns,
    Structure::Rows,
    Structure::RowsColumns,
    Structure::Blocks { side: 4 },
    Structure::Blocks { side: 64 },
];

/// A selection of a weight `[out, in]`, and the operands of its gradient.
#[derive(Clone, Debug)]
struct Case {
    structure: Structure,
    tokens: i64,
    shape: [i64; 2],
    /// The least gives one set, and 1 all.
    rate: f64,
    seed: u16,
}

impl Case {
    fn weight(&self) -> Tensor {
        on_test_device(random_tensor(&self.shape, self.seed.into()))
    }

    fn selected(&self) -> Selected {
        let sum = GradientSum::default();
        select(Criterion::Magnitude, self.structure, self.rate, &self.weight(), &sum, 0)
    }

    /// x and dy in this dtype; strided as they are where a layer's input is a part of a larger tensor.
    fn operands(&self, kind: Kind, strided: bool) -> [Tensor; 2] {
        let [out, width] = self.shape;
        [(width, 1), (out, 2)].map(|(size, number)| {
            let random = |shape| on_test_device(random_tensor(shape, u64::from(self.seed) + number)).to_kind(kind);
            match strided {
                false => random(&[self.tokens, size]),
                true => random(&[2 * size, self.tokens]).tr().slice(1, 1, None::<i64>, 2),
            }
        })
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let rate = prop_oneof![Just(1e-9), Just(1.0), 0.01f64..0.9];
    (prop::sample::select(STRUCTURES.to_vec()), 1i64..70, (1i64..40, 1i64..40), rate, any::<u16>()).prop_map(
        |(structure, tokens, (out, width), rate, seed)| Case { structure, tokens, shape: [out, width], rate, seed },
    )
}

/// Components by their flat indices.
fn at(tensor: &Tensor, selected: &Selected) -> Tensor {
    tensor.flatten(0, -1).index_select(0, &selected.indices())
}

proptest! {
    #[test]
    fn a_product_is_that_part_of_the_dense_gradient(case in cases(), strided: bool) {
        let selected = case.selected();
        for (kind, tolerance) in [(Kind::Double, 1e-13), (Kind::Float, 1e-5), (Kind::BFloat16, 1.0 / 128.0)] {
            let [x, dy] = case.operands(kind, strided);
            let (x64, dy64) = (x.to_kind(Kind::Double), dy.to_kind(Kind::Double));
            let expected = at(&dense_gradient(&x64, &dy64), &selected);
            // The error of a sum of products is relative to the sum of their magnitudes.
            let size = at(&dense_gradient(&x64.abs(), &dy64.abs()), &selected) + 1e-30;
            let product = selected.product(&x, &dy).unwrap();
            prop_assert_eq!((product.kind(), product.size()), (kind, vec![selected.components()]));
            let error = ((product.to_kind(Kind::Double) - expected).abs() / size).max().double_value(&[]);
            prop_assert!(error <= tolerance, "{kind:?}: {error:e}");
            // As the tape keeps it.
            if let Some(columns) = selected.columns() {
                prop_assert!(selected.product(&x.index_select(1, columns), &dy).unwrap().equal(&product));
            }
        }
    }

    #[test]
    fn components_are_read_and_written_in_the_order_of_their_indices(case in cases()) {
        let (selected, weight) = (case.selected(), case.weight());
        let indices: Vec<i64> = Vec::try_from(selected.indices()).unwrap();
        prop_assert!(indices.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(indices.len() as i64, case.structure.components(&case.shape, case.rate));
        prop_assert_eq!(selected.bytes(), case.structure.index_bytes(&case.shape, case.rate));
        if let Some(columns) = selected.columns() {
            prop_assert_eq!(columns.numel() as i64, case.structure.input_columns(case.shape, case.rate));
        }
        prop_assert!(selected.gather(&weight).equal(&at(&weight, &selected)));
        prop_assert!(selected.gather(&weight.tr().contiguous().tr()).equal(&at(&weight, &selected)));
        let values = on_test_device(random_tensor(&[selected.components()], u64::from(case.seed) + 1));
        let expected = weight.copy();
        let _ = expected.view(-1).index_copy_(0, &selected.indices(), &values);
        selected.write(&weight, &values);
        prop_assert!(weight.equal(&expected));
    }

    #[test]
    fn a_selection_is_recognized_by_its_indices(case in cases(), left_out: prop::sample::Index) {
        let (selected, shape) = (case.selected(), &case.shape);
        let indices = selected.indices();
        let found = case.structure.recognize(shape, &indices);
        prop_assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&selected));
        prop_assert!(found.indices().equal(&indices));
        prop_assert_eq!(found.bytes(), selected.bytes());
        // Whatever the indices are, they are those of the selection.
        let count = indices.numel() as i64;
        let place = left_out.index(count as usize) as i64;
        let rest = Tensor::cat(&[indices.narrow(0, 0, place), indices.narrow(0, place + 1, count - place - 1)], 0);
        prop_assert!(case.structure.recognize(shape, &rest).indices().equal(&rest));
    }
}

#[test]
fn a_target_of_which_nothing_is_selected_has_an_empty_gradient() {
    let none = Tensor::zeros([0], (Kind::Int64, test_device()));
    let (x, dy) =
        (Tensor::ones([5, 12], (Kind::Float, test_device())), Tensor::ones([5, 8], (Kind::Float, test_device())));
    for structure in STRUCTURES {
        let selected = structure.recognize(&[8, 12], &none);
        assert_eq!((selected.components(), selected.indices().numel()), (0, 0), "{structure:?}");
        assert!(selected.product(&x, &dy).is_none_or(|product| product.numel() == 0), "{structure:?}");
        let weight = Tensor::ones([8, 12], (Kind::Float, test_device()));
        selected.write(&weight, &selected.gather(&weight));
        assert_eq!(weight.sum(Kind::Float).double_value(&[]), 96.0);
    }
}

#[test]
fn products_repeat_to_the_bit_whatever_the_number_of_calls() {
    for structure in STRUCTURES {
        let case = Case { structure, tokens: 333, shape: [96, 160], rate: 0.1, seed: 4 };
        let (selected, [x, dy]) = (case.selected(), case.operands(Kind::Float, false));
        let first = selected.product(&x, &dy).unwrap();
        assert!((0..5).all(|_| selected.product(&x, &dy).unwrap().equal(&first)), "{structure:?}");
    }
}
