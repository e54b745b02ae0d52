use gradlens::{nets::*,kernels::*,optim::*}; use candle_core::*;
fn main(){ let d=Device::Cpu;
 for set in [KernelSet::Fast, KernelSet::Candle] {
 let m=model("tf_efficientnet_lite0").unwrap(); let n=m.build(&m.weights(),&d).unwrap().with_kernels(set);
 let mut x=Tensor::zeros((1,3,224,224),DType::F32,&d).unwrap(); let l:LayerName="logits".into();
 let mut sc=vec![];
 for i in 0..10 { let a=n.forward(&x,&[l.clone()]).unwrap(); let z=a.logits().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap(); sc.push(z[130]); let s=class_seed(1,1000,130,&d).unwrap(); let g=n.backward(&a,&[(l.clone(),s)],&["input".into()],ReluRule::Standard).unwrap(); let g=(g.input().unwrap()-(&x*2e-3).unwrap()).unwrap();
  if i<2 { let v=g.flatten_all().unwrap().to_vec1::<f32>().unwrap(); println!("{i} {:?} {:?}", &v[40000..40004], v.iter().map(|v|v*v).sum::<f32>()); }
  x=n.preprocess().clamp_input(&(&x+(unit(&g).unwrap()*25.0).unwrap()).unwrap()).unwrap(); }
 println!("{set:?} {sc:?}"); }
}
